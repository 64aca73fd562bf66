package fulfill

import (
	"strings"
	"testing"

	"certwright/internal/order"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		word, want string
		kind       order.NameKind
		wrong      string // part of the refusal
	}{
		{word: "Shop.Example.COM.", want: "shop.example.com"},
		{word: "  www.example.test ", want: "www.example.test"},
		{word: "bücher.example", want: "xn--bcher-kva.example"},
		{word: "xn--bcher-kva.example", want: "xn--bcher-kva.example"},
		{word: "BÜCHER.example", want: "xn--bcher-kva.example"},
		{word: "例え.テスト", want: "xn--r8jz45g.xn--zckzah"},
		{word: "faß.example", want: "xn--fa-hia.example"},
		{word: "*.example.com", want: "*.example.com"},
		{word: "*.bücher.example", want: "*.xn--bcher-kva.example"},
		{word: "intranet", want: "intranet"},
		{word: "192.0.2.7", want: "192.0.2.7", kind: order.IP},
		{word: "[2001:DB8::1]", want: "2001:db8::1", kind: order.IP},
		{word: "::ffff:192.0.2.7", want: "192.0.2.7", kind: order.IP},
		{word: long + ".example.com", want: long + ".example.com"},

		{word: "", wrong: "empty"},
		{word: ".", wrong: "empty"},
		{word: "*.", wrong: "whole first label"},
		{word: "a..example.com", wrong: "empty label"},
		{word: ".example.com", wrong: "empty label"},
		{word: "www.*.example.com", wrong: "whole first label"},
		{word: "w*.example.com", wrong: "whole first label"},
		{word: "*.*.example.com", wrong: "whole first label"},
		{word: "https://example.com", wrong: "URL"},
		{word: "example.com:443", wrong: "URL"},
		{word: "user@example.com", wrong: "URL"},
		{word: "my_shop.example.com", wrong: "underscore"},
		{word: "-shop.example.com", wrong: "label -shop begins or ends with a hyphen"},
		{word: "shop-.example.com", wrong: "label shop- begins or ends with a hyphen"},
		{word: "sh op.example.com", wrong: "space"},
		{word: "300.1.1.1", wrong: "last label is a number"},
		{word: "www.1", wrong: "last label is a number"},
		{word: "xn--99999999999.example", wrong: "no name"},
		{word: "xn--", wrong: "nothing is left"},
		{word: "www.xn--.example.com", wrong: "no name"},
		{word: long + "a.example.com", wrong: "63"},
		{word: strings.Repeat(long+".", 4) + "com", wrong: "253"},
		{word: "com", wrong: "public suffix"},
		{word: "co.uk", wrong: "public suffix"},
		{word: "*.co.uk", wrong: "public suffix"},
		{word: "0.0.0.0", wrong: "no address"},
		{word: "ff02::1", wrong: "no address"},
		{word: "fe80::1%eth0", wrong: "no address"},
	} {
		n, err := ParseName(c.word)
		if c.wrong != "" {
			r, ok := order.AsRefusal(err)
			if !ok || !strings.Contains(r.Message, c.wrong) || r.Fix == "" || r.Property != "names" {
				t.Errorf("%q: %+v, %v; want a refusal that says %q, with its fix", c.word, n, err, c.wrong)
			}
			continue
		}
		if c.kind == "" {
			c.kind = order.DNS
		}
		if err != nil || n.Value != c.want || n.Kind != c.kind {
			t.Errorf("%q: %+v, %v; want %s %s", c.word, n, err, c.kind, c.want)
		}
		if again, err := ParseName(n.Value); err != nil || again != n {
			t.Errorf("%q read again: %+v, %v", n.Value, again, err)
		}
	}
}

func TestParseNames(t *testing.T) {
	t.Parallel()
	many := make([]string, MaxNames+1)
	for i := range many {
		many[i] = strings.Repeat("a", i%60+1) + strings.Repeat("b", i/60+1) + ".example.com"
	}
	for _, c := range []struct {
		words []string
		code  string
	}{
		{words: nil, code: "NamesMissing"},
		{words: many, code: "TooManyNames"},
		{words: many[:MaxNames]},
		{words: []string{"a.example", "A.example."}, code: "DuplicateName"},
		{words: []string{"bücher.example", "xn--bcher-kva.example"}, code: "DuplicateName"},
		{words: []string{"192.0.2.7", "::ffff:192.0.2.7"}, code: "DuplicateName"},
		{words: []string{"*.example.com", "example.com"}},
	} {
		names, err := ParseNames(c.words)
		r, _ := order.AsRefusal(err)
		switch {
		case c.code == "" && (err != nil || len(names) != len(c.words)):
			t.Errorf("%d names: %v", len(c.words), err)
		case c.code != "" && (r == nil || r.Code != c.code):
			t.Errorf("%.60q: %v, want %s", c.words, err, c.code)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"example.com", "*.bücher.example", "::1", "xn--", "a..b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		n, err := ParseName(word)
		if err != nil {
			if _, ok := order.AsRefusal(err); !ok {
				t.Errorf("%q: %v is no refusal", word, err)
			}
			return
		}
		if again, err := ParseName(n.Value); err != nil || again != n || len(n.Value) > 253 || n.Value != strings.ToLower(n.Value) {
			t.Errorf("%q gives %q, which gives %+v, %v", word, n.Value, again, err)
		}
	})
}
