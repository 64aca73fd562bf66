package server

import (
	"maps"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"certwright/internal/notify"
	"certwright/internal/order"
)

// checkWatch checks how orders are watched and who is told.
func (l *loader) checkWatch(c *Config) {
	w := c.Watch
	l.wrongIf(w.Every < Duration(10*time.Minute) || w.Every > Duration(30*24*time.Hour), "watch.every", "is %s: must be 10m to 30d", w.Every)
	l.wrongIf(w.Hold > Duration(24*time.Hour), "watch.hold", "is %s: at most 1d", w.Hold)
	l.wrongIf(w.AtOnce < 1 || w.AtOnce > 64, "watch.at-once", "is %d: must be 1 to 64", w.AtOnce)
	l.wrongIf(c.Metrics.Listen != "" && !address(c.Metrics.Listen), "metrics.listen", "is '%s': must be HOST:PORT, such as 127.0.0.1:9465", c.Metrics.Listen)
	for _, name := range slices.Sorted(maps.Keys(c.Notify)) {
		if err := order.ValidName(name); err != nil {
			l.wrongIf(true, "notify."+name, "is no name: %v", err)
		}
		l.checkNotify("notify."+name, c.Notify[name])
	}
}

func (l *loader) checkNotify(key string, n Notify) {
	l.oneOf(key+".kind", n.Kind, notify.Kinds...)
	l.oneOf(key+".severity", orElse(n.Severity, notify.Warning), notify.Warning, notify.Critical)
	if n.Kind == notify.SMTP {
		l.checkMail(key, n)
		return
	}
	for field, given := range map[string]bool{"server": n.Server != "", "tls": n.TLS != "", "user": n.User != "", "password-file": n.PasswordFile != "", "from": n.From != "", "to": len(n.To) > 0} {
		l.wrongIf(given, key+"."+field, "means nothing to kind %s: it is for smtp", n.Kind)
	}
	l.wrongIf((n.URL == "") == (n.URLFile == ""), key, "needs one of 'url' and 'url-file'")
	if n.URL != "" {
		u, err := url.Parse(string(n.URL))
		// The URL itself is not shown: it may be a secret.
		l.wrongIf(err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http", key+".url", "must be https://HOST/PATH, or http:// inside a network that is trusted")
	}
	l.wrongIf(n.Kind == notify.Webhook && n.SecretFile == "", key, "has no 'secret-file': a webhook is signed; use kind json where nobody checks")
	l.wrongIf(n.Kind != notify.Webhook && n.SecretFile != "", key+".secret-file", "means nothing to kind %s: only a webhook is signed", n.Kind)
}

func (l *loader) checkMail(key string, n Notify) {
	for field, given := range map[string]bool{"url": n.URL != "", "url-file": n.URLFile != "", "secret-file": n.SecretFile != ""} {
		l.wrongIf(given, key+"."+field, "means nothing to kind smtp: give 'server', 'from' and 'to'")
	}
	l.wrongIf(n.Server == "" || strings.ContainsAny(n.Server, " /"), key, "has no good 'server': HOST or HOST:PORT of the mail server")
	l.oneOf(key+".tls", orElse(n.TLS, notify.StartTLS), notify.StartTLS, notify.Implicit, notify.Plain)
	l.wrongIf(n.User != "" && n.PasswordFile == "", key, "has a 'user' and no 'password-file'")
	l.wrongIf(n.User != "" && n.TLS == notify.Plain, key+".tls", "is none, with a 'user': a password is sent only behind TLS")
	l.wrongIf(len(n.To) == 0, key, "has no 'to': who gets the mail")
	for _, a := range append([]string{n.From}, n.To...) {
		_, err := mail.ParseAddress(a)
		l.wrongIf(err != nil, key, "names '%s', which is no mail address", a)
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
