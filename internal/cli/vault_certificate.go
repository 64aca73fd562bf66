package cli

import (
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net/url"
	"slices"

	"github.com/spf13/cobra"
)

// vaultCertificate are the operations on certificate objects, as az keyvault certificate has them.
func (e *Env) vaultCertificate(vault *string) *cobra.Command {
	c := group("certificate", "Certificate objects of the vault, without their keys")
	c.AddCommand(e.keptList(vault, "certificates", "certificate"), e.keptShow(vault, "certificates", "certificate", "Show a certificate object", "", "-o json --query policy"), e.certificateDownload(vault), e.certificateImport(vault))
	return c
}

func (e *Env) certificateDownload(vault *string) *cobra.Command {
	c := &cobra.Command{Use: "download NAME", Short: "Write a certificate to a file as PEM, without its key", Args: oneArg("the certificate's name"), Example: "  certwright vault certificate download www --file www.pem"}
	return e.keptDownload(vault, "certificates", c, func() url.Values { return nil }, func(k kept) (data []byte, said string, err error) {
		der, err := base64.StdEncoding.DecodeString(k.Cer)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), ": the certificate alone, without key and chain.", err
	})
}

func (e *Env) certificateImport(vault *string) *cobra.Command {
	c := &cobra.Command{Use: "import FILE", Short: "Import PEM or PFX with its key into the vault", Args: oneArg("the file to import"),
		Long: `Import a certificate with its key into the vault, where clients of Key Vault find it. Nothing deploys it, looks at it or warns
before it ends: for that, import it as an order (certwright order import).`,
		Example: "  certwright vault certificate import legacy.pfx --name legacy --password-file pw\n  certwright vault certificate import legacy.pem --key legacy.key --name legacy"}
	f := c.Flags()
	name := f.String("name", "", "the certificate's name (default: made of the file's)")
	keyFile := f.String("key", "", "file with the private key, where it is not in FILE")
	password := f.String("password-file", "", "file whose first line is the password of the PFX")
	tags := f.StringToString("tag", nil, "tag, as NAME=VALUE; may be repeated")
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := readBundle(args[0], *keyFile)
		if err != nil {
			return err
		}
		body := map[string]any{"value": b.PFX, "tags": *tags}
		if b.PFX == "" {
			body["value"] = b.PEM
		}
		if body["pwd"], err = firstLine(*password, "the password of the PFX"); err != nil {
			return err
		}
		if *name == "" {
			*name = nameFrom(bundleName(args[0]))
		}
		p, err := e.plane(*vault)
		if err != nil {
			return err
		}
		var k kept
		if err := p.Call(c.Context(), "POST", p.path("certificates", *name)+"/import", nil, body, &k); err != nil {
			return err
		}
		_, version := k.parts()
		return e.show(&k, func() { e.printf("Imported: certificate %s of vault %s, version %s.\n", *name, *vault, version) })
	}
	return c
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
