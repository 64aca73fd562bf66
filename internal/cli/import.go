package cli

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/api"
)

func (e *Env) orderImport() *cobra.Command {
	var f wishFlags
	var wait waitFlags
	var name, keyFile, password string
	c := &cobra.Command{
		Use: "import FILE|FOLDER", Short: "Bring a certificate that exists: PEM, PFX, or a certbot folder", Args: oneArg("the file or folder to import"),
		Long: `Bring a certificate that exists. It is stored, deployed, looked at and explained like any other; no issuer stands behind
it, so it is not renewed: import the next one under the same name.

FILE is PEM (certificates and key in any order, or the key in a file of its own) or a PFX; FOLDER holds fullchain.pem and
privkey.pem, as certbot's do.`,
		Example: "  certwright order import shop.pem --key shop.key --name shop\n  certwright order import shop.pfx --password-file pw\n  certwright order import /etc/letsencrypt/live/shop.example.com",
	}
	c.Flags().StringVar(&name, "name", "", "the order's name (default: made of the file's)")
	c.Flags().StringVar(&keyFile, "key", "", "file with the private key, where it is not in FILE")
	c.Flags().StringVar(&password, "password-file", "", "file whose first line is the password of the PFX")
	f.add(c)
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := readBundle(args[0], keyFile)
		if err != nil {
			return err
		}
		if b.Password, err = firstLine(password, "the password of the PFX"); err != nil {
			return err
		}
		if name == "" {
			name = nameFrom(bundleName(args[0]))
		}
		b.Wish = f.wish(c)
		cl, err := e.client()
		if err != nil {
			return err
		}
		o, err := cl.ImportOrder(c.Context(), name, b)
		return e.after(c.Context(), cl, o, err, wait, "Imported")
	}
	return c
}

// bundleName is a file's name without what says only of which kind it is. A folder's name is kept whole: what looks like
// an extension there is a domain.
func bundleName(path string) string {
	base := filepath.Base(filepath.Clean(path))
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return base
	}
	switch ext := filepath.Ext(base); strings.ToLower(ext) {
	case ".pem", ".crt", ".cer", ".cert", ".chain", ".pfx", ".p12":
		return strings.TrimSuffix(base, ext)
	}
	return base
}

// readBundle reads what is to be imported: a folder as certbot keeps it (fullchain.pem and privkey.pem, or
// such a one under live/), PEM text, or a PFX.
func readBundle(path, keyFile string) (api.ImportBody, error) {
	b := api.ImportBody{From: path}
	info, err := os.Stat(path)
	if err != nil {
		return b, fmt.Errorf("read what is to be imported: %w", err)
	}
	if info.IsDir() {
		return readCertbot(path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return b, fmt.Errorf("read what is to be imported: %w", err)
	}
	if !strings.Contains(string(data), "-----BEGIN") {
		b.PFX = base64.StdEncoding.EncodeToString(data)
		return b, nil
	}
	b.PEM = string(data)
	if keyFile != "" {
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return b, fmt.Errorf("read the key: %w", err)
		}
		b.PEM += "\n" + string(key)
	}
	return b, nil
}

func readCertbot(dir string) (api.ImportBody, error) {
	b := api.ImportBody{From: "certbot folder " + dir}
	chain, err := os.ReadFile(filepath.Join(dir, "fullchain.pem"))
	if err != nil {
		live, _ := filepath.Glob(filepath.Join(dir, "live", "*", "fullchain.pem"))
		var names []string
		for _, l := range live {
			names = append(names, filepath.Dir(l))
		}
		if len(names) > 0 {
			return b, usage("%s holds several certificates: import one of %s", dir, strings.Join(names, ", "))
		}
		return b, fmt.Errorf("%s is no certbot folder: it has no fullchain.pem\n  → give the folder of one certificate, such as /etc/letsencrypt/live/NAME", dir)
	}
	key, err := os.ReadFile(filepath.Join(dir, "privkey.pem"))
	if err != nil {
		return b, fmt.Errorf("read the key beside fullchain.pem: %w", err)
	}
	b.PEM = string(chain) + "\n" + string(key)
	return b, nil
}
