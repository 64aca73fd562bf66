package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"
)

// SessionCookie holds the session. The prefix makes browsers insist on Secure, Path=/ and no Domain
// (RFC 6265bis section 4.1.3.2), so no sibling host can plant one.
const SessionCookie = "__Host-certwright"

// Session is the session that a request carries, empty if none: what Auth.Who looks up.
func Session(r *http.Request) string {
	c, err := r.Cookie(SessionCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// visit is what every page knows of its viewer.
type visit struct {
	Who     string
	Live    bool   // something is there to follow
	Version string // of Certwright
	Path    string // of this request, with its query
}

// at says whether this request is for a page, whatever its query.
func (v visit) at(page string) bool {
	path, _, _ := strings.Cut(v.Path, "?")
	return path == page
}

// known lets only signed-in viewers through; others are sent to sign in and back.
func (p *pages) known(next func(http.ResponseWriter, *http.Request, visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := p.Auth.Who(r.Context(), r)
		v := visit{Who: who, Live: p.Changes != nil, Version: p.Version, Path: r.URL.RequestURI()}
		if ok {
			next(w, r, v)
			return
		}
		back := r.URL.RequestURI()
		if r.Method != http.MethodGet || partial(r) {
			back = ""
		}
		to := "/sign-in"
		if back != "" && back != "/" {
			to += "?next=" + url.QueryEscape(back)
		}
		if partial(r) {
			// A piece of a page cannot be sent elsewhere; the page that asked for it can.
			w.Header().Set("HX-Redirect", to)
			http.Error(w, "Signed out. Sign in again.", http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// partial says whether htmx asks for the changing part of a page instead of the whole.
func partial(r *http.Request) bool {
	return r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-History-Restore-Request") != "true"
}

func (p *pages) signInForm(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.Auth.Who(r.Context(), r); ok {
		http.Redirect(w, r, localPath(r.URL.Query().Get("next")), http.StatusSeeOther)
		return
	}
	p.render(w, r, http.StatusOK, signInPage(p.Version, localPath(r.URL.Query().Get("next")), ""))
}

func (p *pages) signIn(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.PostFormValue("next"))
	token := strings.TrimSpace(r.PostFormValue("token"))
	if token == "" {
		p.render(w, r, http.StatusUnprocessableEntity, signInPage(p.Version, next, "Enter a token. The first one was printed when Certwright started for the first time."))
		return
	}
	session, _, err := p.Auth.SignIn(r.Context(), token)
	if err != nil {
		p.render(w, r, http.StatusUnauthorized, signInPage(p.Version, next, sentence(err.Error())))
		return
	}
	http.SetCookie(w, cookie(session, 0))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (p *pages) signOut(w http.ResponseWriter, r *http.Request) {
	if p.SignOut != nil {
		if err := p.SignOut(r.Context(), r); err != nil {
			p.fail(w, r, visit{}, http.StatusInternalServerError, "You are still signed in", sentence(err.Error()))
			return
		}
	}
	http.SetCookie(w, cookie("", -1))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// cookie is the session's. Lax, not Strict: a link to an order in an alarm must open the order.
func cookie(session string, age int) *http.Cookie {
	return &http.Cookie{Name: SessionCookie, Value: session, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// localPath keeps a return path on this server: "//host" and "/\host" are other hosts to a browser.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	return s
}

// render writes a page. A failure here is a reader who has gone.
func (p *pages) render(w http.ResponseWriter, r *http.Request, code int, c templ.Component) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_ = c.Render(context.WithoutCancel(r.Context()), w)
}

// fail shows an error page: what happened and what to do.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, v visit, code int, title, text string) {
	if partial(r) {
		p.render(w, r, code, note("bad", title, text))
		return
	}
	v.Version = p.Version
	p.render(w, r, code, errorPage(v, title, text))
}
