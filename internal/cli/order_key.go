package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/order"
)

// csrFlags are the flags of a certificate request made by whoever keeps the key.
type csrFlags struct {
	file  string
	reuse bool
}

func (f *csrFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.file, "csr", "", "file with a certificate request (PEM) made where the key is: the key stays there, and is never seen here")
	f.addReuse(c)
}

func (f *csrFlags) addReuse(c *cobra.Command) {
	c.Flags().BoolVar(&f.reuse, "reuse-csr", false, "let renewals use the request again, with the same key; else each waits for a new one")
}

// read gives the request and whether it may be used again; nil where nothing was said.
func (f *csrFlags) read(c *cobra.Command) (csr *string, reuse *bool, err error) {
	if c.Flags().Changed("reuse-csr") {
		reuse = &f.reuse
	}
	if c.Flags().Lookup("csr") == nil || !c.Flags().Changed("csr") {
		return nil, reuse, nil
	}
	text, err := os.ReadFile(f.file)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificate request: %w", err)
	}
	s := string(text)
	if strings.Contains(s, "PRIVATE KEY") { // it must not leave the machine
		return nil, nil, usage("%s holds a private key: nothing was sent\n  → make a request with it: openssl req -new -key %s -subj /CN=NAME -out request.pem", f.file, f.file)
	}
	return &s, reuse, nil
}

func keyTypes(words []string) *[]order.KeyType {
	types := []order.KeyType{}
	for _, k := range words {
		types = append(types, order.KeyType(strings.ToUpper(k)))
	}
	return &types
}

// nextFlags say what key the next version is to have.
type nextFlags struct {
	csrFlags
	types   []string
	managed bool
}

func (f *nextFlags) add(c *cobra.Command) {
	f.csrFlags.add(c)
	c.Flags().StringSliceVar(&f.types, "key-type", nil, "EC-P256, EC-P384, RSA-2048, RSA-3072 or RSA-4096, from now on (default: as before)")
	c.Flags().BoolVar(&f.managed, "managed", false, "have the key made and kept here from now on, where it was kept elsewhere")
}

func (f *nextFlags) onto(c *cobra.Command, b *api.CommandBody) (err error) {
	if b.CSR, b.ReuseCSR, err = f.read(c); err != nil {
		return err
	}
	if c.Flags().Changed("key-type") {
		b.KeyTypes = keyTypes(f.types)
	}
	if f.managed {
		no := false
		b.External = &no
	}
	return nil
}

func (e *Env) orderRenew() *cobra.Command {
	var wait waitFlags
	var next nextFlags
	c := &cobra.Command{
		Use: "renew NAME", Short: "Get a new version now", Args: oneArg("the order's name"),
		Long:    "Get a new version now. The former version keeps serving until the new one is deployed and seen on the wire.\nWhere the order's owner keeps the key, a certificate request made with it is needed.",
		Example: "  certwright order renew www --wait\n  certwright order renew www --csr request.pem        (whoever keeps the key has made the request)",
	}
	next.add(c)
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var body api.CommandBody
		if err := next.onto(c, &body); err != nil {
			return err
		}
		return e.command(c, args[0], "renew", body, wait)
	}
	return c
}

func (e *Env) orderRekey() *cobra.Command {
	var wait waitFlags
	var next nextFlags
	var hours float64
	c := &cobra.Command{
		Use: "rekey NAME", Short: "Get a new version with a new key now", Args: oneArg("the order's name"),
		Long: "Get a new version with a new key now: of another type with --key-type, kept elsewhere with --csr, kept here again with --managed.\nThe former version keeps serving until the new one is there.",
		Example: "  certwright order rekey www --wait\n  certwright order rekey www --key-type RSA-4096\n  certwright order rekey www --csr request.pem        (with a key that never comes here)\n" +
			"  certwright order rekey www --revoke-after 24        (the old version is withdrawn a day later)",
	}
	c.Flags().Float64Var(&hours, "revoke-after", 0, "revoke the old version this many hours after the new one is stored, once no target holds it (default: do not revoke)")
	next.add(c)
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var body api.CommandBody
		if c.Flags().Changed("revoke-after") {
			body.DelayExistingRevokeInHours = &hours
		}
		if err := next.onto(c, &body); err != nil {
			return err
		}
		return e.command(c, args[0], "rekey", body, wait)
	}
	return c
}
