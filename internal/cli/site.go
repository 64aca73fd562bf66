package cli

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/client"
	"certwright/internal/site"
)

func (e *Env) siteCommand() *cobra.Command {
	c := group("site", "What serves certificates: host names, targets, endpoints", "sites")
	c.AddCommand(e.siteSave("create", "Create a site", true), e.siteSave("set", "Create a site or replace all its settings", false), e.siteList(), e.siteSync(), e.siteDelete())
	return c
}

func (e *Env) siteSave(use, short string, create bool) *cobra.Command {
	var s site.Site
	f := site.Files{}
	var target, keyType, disabled string
	var looks []string
	c := &cobra.Command{Use: use + " NAME", Short: short, Args: oneArg("the site's name"),
		Example: "  certwright site " + use + " shop --host shop.example.com --root nginx --fullchain shop.pem --key shop.key --reload nginx --endpoint 127.0.0.1:443 --webroot shop"}
	fl := c.Flags()
	fl.StringArrayVar(&s.HostNames, "host", nil, "host name that it answers to (repeat for more)")
	fl.StringVar(&s.Webroot, "webroot", "", "configured webroot where proofs are published")
	fl.StringArrayVar(&looks, "endpoint", nil, "HOST:PORT[/SERVER-NAME] to look at (repeat for more)")
	fl.StringVar(&target, "target", "files", "name of the target")
	fl.StringVar(&keyType, "key-type", "", "which key type goes to the target")
	fl.StringVar(&disabled, "disabled", "", "switch the target off, and say by whom")
	fl.StringVar(&f.Root, "root", "", "configured file root of the target")
	fl.StringVar(&f.Certificate, "certificate", "", "file for the leaf alone")
	fl.StringVar(&f.Chain, "chain", "", "file for the intermediates alone")
	fl.StringVar(&f.Fullchain, "fullchain", "", "file for leaf and intermediates")
	fl.StringVar(&f.Key, "key", "", "file for the private key")
	fl.StringVar(&f.PFX, "pfx", "", "file for all in one PKCS#12")
	fl.StringVar(&f.Combined, "combined", "", "file for all in one PEM (HAProxy)")
	fl.StringVar(&f.Owner, "owner", "", "user that owns the files")
	fl.StringVar(&f.Group, "file-group", "", "group of the files")
	fl.StringVar(&f.Mode, "mode", "", "octal mode of files with a key (default 0600)")
	fl.StringVar(&f.Reload, "reload", "", "configured command that reloads what serves")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		for _, w := range looks {
			address, name, _ := strings.Cut(w, "/")
			s.Endpoints = append(s.Endpoints, site.Endpoint{Address: address, ServerName: name})
		}
		if f.Root != "" {
			s.Targets = []site.Target{{Name: target, Kind: site.KindFiles, KeyType: strings.ToUpper(keyType), Disabled: disabled, Files: &f}}
		}
		saved, err := cl.SaveSite(c.Context(), args[0], s, create)
		if err != nil {
			return err
		}
		return e.show(&saved, func() {
			e.printf("Saved: site %s with %s and %s.\n", saved.Name, count(len(saved.Targets), "target"), count(len(saved.Endpoints), "endpoint"))
		})
	}
	return c
}

func (e *Env) siteList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the sites", Args: noArgs, Example: "  certwright site list", RunE: func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		list, err := client.All[struct {
			Properties site.Site `json:"properties"`
		}](c.Context(), cl, "/v1/sites", nil)
		if err != nil {
			return err
		}
		return e.show(list, func() {
			var rows [][]string
			if len(list) == 0 {
				e.printf("No sites yet.\n  → create one with: certwright site create NAME --host NAME\n")
				return
			}
			for _, r := range list {
				s := r.Properties
				var targets, looks []string
				for _, t := range s.Targets {
					targets = append(targets, t.Name+" ("+t.Kind+")")
				}
				for _, l := range s.Endpoints {
					looks = append(looks, l.Address)
				}
				rows = append(rows, []string{s.Name, dash(strings.Join(s.HostNames, ", ")), dash(strings.Join(targets, ", ")), dash(strings.Join(looks, ", "))})
			}
			e.table([]string{"NAME", "HOSTS", "TARGETS", "ENDPOINTS"}, rows, nil)
		})
	}}
}

func (e *Env) siteDelete() *cobra.Command {
	return &cobra.Command{Use: "delete NAME", Short: "Remove a site that no order uses", Args: oneArg("the site's name"), Example: "  certwright site delete shop", RunE: func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		if err := cl.Call(c.Context(), "DELETE", "/v1/sites/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		e.printf("Removed: site %s.\n", args[0])
		return nil
	}}
}
