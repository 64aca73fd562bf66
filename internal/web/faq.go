package web

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"

	"certwright/internal/faq"
)

// faqPath is the address of the FAQ; an article is below it.
const faqPath = "/faq/"

// hasArticle says whether a finding can be looked up.
func hasArticle(id string) bool {
	_, ok := faq.Get(id)
	return ok
}

// faqView is the list of articles, or what a search found of them.
type faqView struct {
	visit
	Query  string
	Groups []faqGroup
}

// faqGroup is the articles of one topic.
type faqGroup struct {
	Topic    string
	Articles []faq.Article
}

// articles lists all, or those that the words find.
func (p *pages) articles(w http.ResponseWriter, r *http.Request, v visit) {
	view := faqView{visit: v, Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	if a, ok := faq.Get(view.Query); ok {
		http.Redirect(w, r, faqPath+a.ID, http.StatusSeeOther)
		return
	}
	if view.Query != "" {
		if hits := faq.Search(view.Query); len(hits) > 0 {
			view.Groups = []faqGroup{{"Found, the best first", hits[:min(30, len(hits))]}}
		}
		p.render(w, r, http.StatusOK, faqList(view))
		return
	}
	for _, a := range faq.All() {
		if n := len(view.Groups); n == 0 || view.Groups[n-1].Topic != a.Topic {
			view.Groups = append(view.Groups, faqGroup{Topic: a.Topic})
		}
		g := &view.Groups[len(view.Groups)-1]
		g.Articles = append(g.Articles, a)
	}
	p.render(w, r, http.StatusOK, faqList(view))
}

// article is one of them; an id that is nearly one says which were meant.
func (p *pages) article(w http.ResponseWriter, r *http.Request, v visit) {
	id := r.PathValue("id")
	a, ok := faq.Get(id)
	if !ok {
		text := "No article is called " + strconv.Quote(id) + "."
		if near := faq.Nearest(id); len(near) > 0 {
			text += " Was " + strings.Join(near, " or ") + " meant?"
		}
		p.fail(w, r, v, http.StatusNotFound, "There is no such article", text+" All are listed at "+faqPath+".")
		return
	}
	if a.ID != id {
		http.Redirect(w, r, faqPath+a.ID, http.StatusSeeOther)
		return
	}
	html, err := htmlOf(a)
	if err != nil {
		p.fail(w, r, v, http.StatusInternalServerError, "The article cannot be shown", sentence(err.Error()))
		return
	}
	p.render(w, r, http.StatusOK, faqArticle(v, a, html))
}

// htmlOf renders an article. The text is ours and embedded; the renderer lets no HTML of it through all the same
// (goldmark's default), and no address but those of the web.
func htmlOf(a faq.Article) (string, error) {
	var b bytes.Buffer
	err := goldmark.Convert([]byte(a.Markdown(faqPath)), &b)
	return b.String(), err
}
