// Package faq answers questions: an article for every finding, status and task, embedded as Markdown,
// grouped by topic in articles/. Each says what a thing means, how it comes about, how to tell it from its twin, how to
// fix it and how to prevent it. It knows nothing of the rest of Certwright.
package faq

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed articles/*.md
var files embed.FS

// Section is one of the parts that every article has.
type Section struct {
	Label string `json:"label"` // as the articles' files write it
	Title string `json:"title"` // as a reader sees it
	Text  string `json:"text"`  // Markdown: code in backquotes, links to other articles by their id
}

// labels are the sections of every article, in order.
var labels = []struct{ label, title string }{
	{"Means", "What it means"},
	{"Comes", "How it comes about"},
	{"Apart", "How to tell it apart"},
	{"Fix", "How to fix it"},
	{"Prevent", "How to prevent it"},
}

// Article is one answer.
type Article struct {
	ID       string    `json:"id"`                // finding id, or status-*, vault-*, stage-*, task-*
	Aliases  []string  `json:"aliases,omitempty"` // other words for it, such as a status as Azure writes it
	Title    string    `json:"title"`
	Topic    string    `json:"topic"` // title of its group
	Sections []Section `json:"sections"`
}

// topics are the files, in the order in which a reader meets them.
var topics = []string{"tasks", "status", "order", "caa", "dns", "http", "vault", "deploy", "endpoint", "renewal", "system"}

// all reads the embedded files once. A mistake in them is a mistake of the program, which the tests find.
var all = sync.OnceValues(func() ([]Article, error) {
	var list []Article
	for _, t := range topics {
		text, err := files.ReadFile(path.Join("articles", t+".md"))
		if err != nil {
			return nil, fmt.Errorf("read the articles: %w", err)
		}
		part, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("read the articles of %s: %w", t, err)
		}
		list = append(list, part...)
	}
	return list, nil
})

// parse reads one file: a title, then articles that begin with "## id (aliases): title", each line of which begins with
// a section's label or goes on with the one before.
func parse(text string) ([]Article, error) {
	var list []Article
	topic := ""
	for n, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "# "):
			topic = strings.TrimPrefix(line, "# ")
		case strings.HasPrefix(line, "## "):
			a, err := heading(strings.TrimPrefix(line, "## "))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			a.Topic = topic
			list = append(list, a)
		case strings.TrimSpace(line) == "":
		case len(list) == 0:
			return nil, fmt.Errorf("line %d: text before the first article", n+1)
		default:
			if err := list[len(list)-1].add(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
	}
	return list, nil
}

func heading(s string) (Article, error) {
	id, title, ok := strings.Cut(s, ": ")
	if !ok {
		return Article{}, fmt.Errorf("%q is no heading of the form id: title", s)
	}
	a := Article{ID: id, Title: title}
	if i := strings.IndexByte(id, '('); i > 0 {
		a.ID = strings.TrimSpace(id[:i])
		for _, w := range strings.Split(strings.Trim(id[i:], "()"), ",") {
			a.Aliases = append(a.Aliases, strings.TrimSpace(w))
		}
	}
	return a, nil
}

func (a *Article) add(line string) error {
	word, rest, _ := strings.Cut(line, ": ")
	for _, l := range labels {
		if l.label == word {
			a.Sections = append(a.Sections, Section{Label: l.label, Title: l.title, Text: strings.TrimSpace(rest)})
			return nil
		}
	}
	if len(a.Sections) == 0 {
		return fmt.Errorf("%s: %q begins with no section", a.ID, line)
	}
	s := &a.Sections[len(a.Sections)-1]
	s.Text += "\n" + line
	return nil
}

// All lists every article, by topic.
func All() []Article {
	list, _ := all()
	return list
}

// Check says what is wrong with the embedded articles; nil = nothing.
func Check() error {
	_, err := all()
	return err
}

// Get finds an article by its id or another word for it, without regard to case.
func Get(id string) (Article, bool) {
	id = strings.TrimSpace(id)
	for _, a := range All() {
		same := func(w string) bool { return strings.EqualFold(w, id) }
		if same(a.ID) || slices.ContainsFunc(a.Aliases, same) {
			return a, true
		}
	}
	return Article{}, false
}

// Markdown is the article as one document, without its title. Links lead to base + id.
func (a Article) Markdown(base string) string {
	var b strings.Builder
	for _, s := range a.Sections {
		b.WriteString("## " + s.Title + "\n\n" + s.Text + "\n\n")
	}
	return strings.ReplaceAll(b.String(), "](", "]("+base)
}

// Part is the text of one section, by its label, for a terminal; empty if the article has no such section.
func (a Article) Part(label string) string {
	for _, s := range a.Sections {
		if s.Label == label {
			return s.Plain()
		}
	}
	return ""
}

// Plain is a section's text for a terminal: links as their words, code in its backquotes.
func (s Section) Plain() string {
	var b strings.Builder
	text := s.Text
	for {
		before, rest, ok := strings.Cut(text, "[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		word, after, linked := strings.Cut(rest, "](")
		end := strings.IndexByte(after, ')')
		if !linked || end < 0 || strings.ContainsAny(word, " []`") {
			b.WriteString("[")
			text = rest
			continue
		}
		b.WriteString(word)
		text = after[end+1:]
	}
}
