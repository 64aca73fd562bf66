package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/client"
	"certwright/internal/secret"
)

// kept is a secret or certificate object as Key Vault's data plane gives it.
type kept struct {
	Value       string            `json:"value,omitempty"`
	ID          string            `json:"id"`
	SecretID    string            `json:"sid,omitempty"`
	Thumbprint  string            `json:"x5t,omitempty"`
	Cer         string            `json:"cer,omitempty"`
	ContentType string            `json:"contentType,omitempty"`
	Attributes  keptAttributes    `json:"attributes"`
	Tags        map[string]string `json:"tags,omitempty"`
	Policy      json.RawMessage   `json:"policy,omitempty"`
	RecoveryID  string            `json:"recoveryId,omitempty"`
	Purge       int64             `json:"scheduledPurgeDate,omitempty"`
}

type keptAttributes struct {
	Enabled       bool   `json:"enabled"`
	NotBefore     int64  `json:"nbf,omitempty"`
	Expires       int64  `json:"exp,omitempty"`
	Created       int64  `json:"created,omitempty"`
	Updated       int64  `json:"updated,omitempty"`
	RecoveryLevel string `json:"recoveryLevel,omitempty"`
}

// parts are the name and version of an id: https://VAULT/secrets/NAME/VERSION.
func (k kept) parts() (name, version string) {
	p := strings.Split(k.ID, "/")
	if len(p) > 4 {
		name, _ = url.PathUnescape(p[4])
	}
	if len(p) > 5 {
		version = p[5]
	}
	return name, version
}

func when(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	t := time.Unix(unix, 0).UTC()
	return &t
}

// plane is a vault's data plane in the path form, which needs no name of its own.
type plane struct {
	*client.Client
	vault string
}

func (e *Env) plane(vault string) (plane, error) {
	cl, err := e.client()
	return plane{cl, vault}, err
}

func (p plane) path(collection string, more ...string) string {
	s := "/vaults/" + url.PathEscape(p.vault) + "/" + collection
	for _, m := range more {
		s += "/" + url.PathEscape(m)
	}
	return s
}

// all reads a list with all its pages.
func (p plane) all(ctx context.Context, path string) ([]kept, error) {
	list := []kept{}
	query := url.Values{"maxresults": {"1000"}}
	for path != "" {
		var page struct {
			Value []kept  `json:"value"`
			Next  *string `json:"nextLink"`
		}
		if err := p.Call(ctx, "GET", path, query, nil, &page); err != nil {
			return nil, err
		}
		list, path, query = append(list, page.Value...), "", nil
		if page.Next != nil {
			u, err := url.Parse(*page.Next)
			if err != nil {
				return nil, fmt.Errorf("the next page's address cannot be read: %w", err)
			}
			path, query = u.EscapedPath(), u.Query()
		}
	}
	return list, nil
}

// showKept prints objects as a table, values never.
func (e *Env) showKept(list []kept, what string) error {
	return e.show(list, func() {
		if len(list) == 0 {
			e.printf("No %s.\n", what)
			return
		}
		var rows [][]string
		for _, k := range list {
			name, version := k.parts()
			rows = append(rows, []string{name, dash(version), dash(k.ContentType), e.keptState(when(k.Purge), k.Attributes.Enabled), e.ago(when(k.Attributes.Created)), e.ago(when(k.Attributes.Expires))})
		}
		e.table([]string{"NAME", "VERSION", "CONTENT", "STATE", "WRITTEN", "EXPIRES"}, rows, nil)
	})
}

// keptList is the list command of secrets or certificates.
func (e *Env) keptList(vault *string, collection, one string) *cobra.Command {
	c := &cobra.Command{Use: "list [NAME]", Short: "List " + collection + ", or the versions of one", Args: upTo(1, "a name, or nothing for all"),
		Example: "  certwright vault " + one + " list\n  certwright vault " + one + " list www\n  certwright vault " + one + " list --deleted"}
	deleted := c.Flags().Bool("deleted", false, "list the soft-deleted ones")
	c.RunE = func(c *cobra.Command, args []string) error {
		p, err := e.plane(*vault)
		if err != nil {
			return err
		}
		path := p.path(collection)
		switch {
		case *deleted:
			path = p.path("deleted" + collection)
		case len(args) == 1:
			path = p.path(collection, args[0], "versions")
		}
		list, err := p.all(c.Context(), path)
		if err != nil {
			return err
		}
		return e.showKept(list, collection)
	}
	return c
}

// vaultSecret are the operations on secrets, as az keyvault secret has them.
func (e *Env) vaultSecret(vault *string) *cobra.Command {
	c := group("secret", "Secrets of the vault, their values included")
	c.AddCommand(e.keptList(vault, "secrets", "secret"), e.keptShow(vault, "secrets", "secret", "Show a secret; its value with -o json", "Show a secret, the newest enabled version or the one named. The table hides the value; -o json has it, as az does.", "-o tsv --query value"), e.secretDownload(vault), e.secretSet(vault),
		e.secretAct(vault, "delete", "Soft-delete a secret with all its versions", "DELETE", "secrets", "", "Soft-deleted", "bring it back with: certwright vault secret recover"),
		e.secretAct(vault, "recover", "Recover a soft-deleted secret", "POST", "deletedsecrets", "recover", "Recovered", ""),
		e.secretAct(vault, "purge", "Purge a soft-deleted secret for good", "DELETE", "deletedsecrets", "", "Purged", ""))
	return c
}

func (e *Env) secretAct(vault *string, use, short, method, collection, verb, done, next string) *cobra.Command {
	return &cobra.Command{Use: use + " NAME", Short: short, Args: oneArg("the secret's name"), Example: "  certwright vault secret " + use + " db-password", RunE: func(c *cobra.Command, args []string) error {
		p, err := e.plane(*vault)
		if err != nil {
			return err
		}
		path := p.path(collection, args[0])
		if verb != "" {
			path += "/" + verb
		}
		if err := p.Call(c.Context(), method, path, nil, nil, nil); err != nil {
			return err
		}
		e.printf("%s: secret %s of vault %s.\n", done, args[0], *vault)
		if next != "" {
			e.printf("  → %s %s\n", next, args[0])
		}
		return nil
	}}
}

// read gets one object, the newest version if none is named.
func (p plane) read(ctx context.Context, collection, name, version string, query url.Values) (k kept, err error) {
	err = p.Call(ctx, "GET", p.path(collection, name, version), query, nil, &k)
	return k, err
}

// keptShow is the show command of secrets or certificates.
func (e *Env) keptShow(vault *string, collection, one, short, long, query string) *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: short, Args: oneArg("the " + one + "'s name"), Long: long, Example: "  certwright vault " + one + " show www\n  certwright vault " + one + " show www " + query}
	version := keptVersion(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, err := e.plane(*vault)
		if err != nil {
			return err
		}
		k, err := p.read(c.Context(), collection, args[0], *version, nil)
		if err != nil {
			return err
		}
		return e.show(&k, func() { e.printKept(k) })
	}
	return c
}

func keptVersion(c *cobra.Command) *string {
	return c.Flags().String("version", "", "a version (default: the newest enabled one)")
}

// keptDownload is the download command of secrets or certificates: write gives the bytes, and says what they are.
func (e *Env) keptDownload(vault *string, collection string, c *cobra.Command, query func() url.Values, write func(k kept) (data []byte, said string, err error)) *cobra.Command {
	file := c.Flags().String("file", "", "file to write; one that exists is not overwritten")
	version := keptVersion(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *file == "" {
			return usage("--file is missing: the file to write")
		}
		p, err := e.plane(*vault)
		if err != nil {
			return err
		}
		k, err := p.read(c.Context(), collection, args[0], *version, query())
		if err != nil {
			return err
		}
		data, said, err := write(k)
		if err == nil {
			err = writePrivate(*file, data)
		}
		if err != nil {
			return err
		}
		e.printf("Written to %s%s\n", *file, said)
		return nil
	}
	return c
}

// printKept prints one object, its value never.
func (e *Env) printKept(k kept) {
	name, version := k.parts()
	e.printf("%s  version %s\n", name, dash(version))
	line := func(what, text string) {
		if text != "" {
			e.printf("  %-12s %s\n", what, text)
		}
	}
	line("id", k.ID)
	line("content", k.ContentType)
	line("state", e.keptState(when(k.Purge), k.Attributes.Enabled))
	line("written", e.ago(when(k.Attributes.Created)))
	if t := when(k.Attributes.Expires); t != nil {
		line("expires", e.ago(t)+", "+t.Format(time.RFC3339))
	}
	line("deletion", k.Attributes.RecoveryLevel)
	if sum, err := base64.RawURLEncoding.DecodeString(k.Thumbprint); err == nil && len(sum) > 0 {
		line("thumbprint", fmt.Sprintf("%X", sum))
	}
	for _, tag := range sortedKeys(k.Tags) {
		line("tag", tag+"="+k.Tags[tag])
	}
}

func (e *Env) secretDownload(vault *string) *cobra.Command {
	c := &cobra.Command{Use: "download NAME", Short: "Write a secret's value to a file", Args: oneArg("the secret's name"),
		Long: "Write a secret's value to a file that you alone can read. A PFX, which the vault keeps in base64, is written as the PFX that it is.", Example: "  certwright vault secret download www --file www.pfx\n  certwright vault secret download www --file www.pem --pem"}
	asPEM := c.Flags().Bool("pem", false, "write a certificate as PEM: key, certificate, chain")
	raw := c.Flags().Bool("raw", false, "write the value as the vault keeps it")
	query := func() url.Values {
		if *asPEM {
			return url.Values{"outContentType": {secret.ContentPEM}}
		}
		return nil
	}
	return e.keptDownload(vault, "secrets", c, query, func(k kept) (data []byte, said string, err error) {
		data = []byte(k.Value)
		if k.ContentType == secret.ContentPFX && !*raw {
			if data, err = base64.StdEncoding.DecodeString(k.Value); err != nil {
				name, _ := k.parts()
				return nil, "", fmt.Errorf("secret %s says that it is a PFX, and is not base64: %w\n  → write it as it is with --raw", name, err)
			}
		}
		return data, ", readable by you alone. It is a copy: Certwright does not renew it.", nil
	})
}

func (e *Env) secretSet(vault *string) *cobra.Command {
	c := &cobra.Command{Use: "set NAME", Short: "Set a secret: a new version", Args: oneArg("the secret's name"),
		Example: "  certwright vault secret set db-password --file password.txt\n  pwgen 32 1 | certwright vault secret set db-password --file -"}
	f := c.Flags()
	file := f.String("file", "", "file with the value, - = standard input: nobody sees it in the list of processes")
	value := f.String("value", "", "the value itself")
	content := f.String("content-type", "", "its content type")
	tags := f.StringToString("tag", nil, "tag, as NAME=VALUE; may be repeated")
	c.RunE = func(c *cobra.Command, args []string) error {
		if (*file == "") == !c.Flags().Changed("value") {
			return usage("give the value with either --file or --value")
		}
		body := map[string]any{"value": *value, "tags": *tags}
		if *content != "" {
			body["contentType"] = *content
		}
		if *file != "" {
			data, err := e.readFile(*file)
			if err != nil {
				return err
			}
			body["value"] = strings.TrimSuffix(string(data), "\n")
		}
		p, err := e.plane(*vault)
		if err != nil {
			return err
		}
		var k kept
		if err := p.Call(c.Context(), "PUT", p.path("secrets", args[0]), nil, body, &k); err != nil {
			return err
		}
		k.Value = "" // it is known to whoever set it
		_, version := k.parts()
		return e.show(&k, func() { e.printf("Set: secret %s of vault %s, version %s.\n", args[0], *vault, version) })
	}
	return c
}

// readFile reads a file, or standard input for "-".
func (e *Env) readFile(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(e.Stdin, 1<<20))
	}
	return os.ReadFile(file)
}
