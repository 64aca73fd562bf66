package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/faq"
)

// maxHits is how many articles a search shows.
const maxHits = 12

func (e *Env) faqCommand() *cobra.Command {
	var color string
	c := &cobra.Command{
		Use: "faq [ID|WORDS]", Short: "Explain a finding, a status or a task", Args: cobra.ArbitraryArgs,
		Long: `Explain a finding by its id, a status by its name, or find articles by words. Without an argument, list them all. It needs
neither a server nor a network.`,
		Example: "  certwright faq sync-reload-not-run\n  certwright faq Pendingissuance\n  certwright faq port 80 firewall\n  certwright faq",
	}
	c.Flags().StringVar(&color, "color", "auto", "auto, always or never")
	c.RunE = func(_ *cobra.Command, args []string) error {
		p, err := e.painter(color)
		if err != nil {
			return err
		}
		words := strings.TrimSpace(strings.Join(args, " "))
		if words == "" {
			return e.faqList(faq.All(), true, p)
		}
		if a, ok := faq.Get(words); ok {
			return e.show(&a, func() { e.printArticle(a, p) })
		}
		return e.faqSearch(words, p)
	}
	return c
}

// faqSearch shows what the words find; the nearest ids where they look like a mistyped one.
func (e *Env) faqSearch(words string, p paint) error {
	near := faq.Nearest(words)
	if len(strings.Fields(words)) == 1 && strings.Contains(words, "-") && len(near) > 0 {
		return fmt.Errorf("there is no article %q\n  → did you mean: certwright faq %s", words, strings.Join(near, ", or certwright faq "))
	}
	hits := faq.Search(words)
	if len(hits) == 0 {
		hint := "see all with: certwright faq"
		if len(near) > 0 {
			hint = "did you mean: certwright faq " + near[0]
		}
		return fmt.Errorf("no article has anything of %q\n  → %s", words, hint)
	}
	return e.faqList(hits[:min(maxHits, len(hits))], false, p)
}

// faqList is one line an article; by topics where all are listed.
func (e *Env) faqList(list []faq.Article, topics bool, p paint) error {
	return e.show(&list, func() {
		topic := ""
		for _, a := range list {
			if topics && a.Topic != topic {
				if topic != "" {
					e.printf("\n")
				}
				topic = a.Topic
				e.printf("%s\n", p.bold(topic))
			}
			e.printf("  %s  %s\n", pad(a.ID, 34), a.Title)
		}
		if !topics {
			e.printf("\n  → read one with: certwright faq %s\n", list[0].ID)
		}
	})
}

// printArticle is an article for a terminal.
func (e *Env) printArticle(a faq.Article, p paint) {
	e.printf("%s  %s\n", p.bold(a.Title), p.dim("["+a.ID+"]"))
	for _, s := range a.Sections {
		e.printf("\n%s\n", p.bold(s.Title))
		for _, line := range strings.Split(s.Plain(), "\n") {
			e.printf("%s", e.wrap("  ", line))
		}
	}
}
