package evidence

import (
	"strings"
	"testing"
)

func TestParseCAA(t *testing.T) {
	t.Parallel()
	tests := []struct {
		tag, value string
		domain     string
		params     int
		malformed  bool
	}{
		{"issue", "ca.example", "ca.example", 0, false},
		{"ISSUE", " CA.Example ; AccountURI = https://x/1 ; validationmethods=dns-01,ca-txt", "ca.example", 2, false},
		{"issue", ";", "", 0, false},
		{"issue", "", "", 0, false},
		{"issuewild", "ca.example;", "ca.example", 0, false},
		{"issue", "ca.example; a_b=1", "", 0, true},
		{"issue", "ca.example accounturi=x", "", 0, true},
		{"issue", "ca.example; accounturi", "", 0, true},
		{"issue", "ca.example; a=b c", "", 0, true},
		{"issue", "-ca.example", "", 0, true},
		{"issue", "ca..example", "", 0, true},
		{"iodef", "mailto:; a_b=1", "", 0, false},
	}
	for _, tt := range tests {
		c := ParseCAA(0, tt.tag, tt.value)
		if c.Domain != tt.domain || len(c.Params) != tt.params || (c.Malformed != "") != tt.malformed || c.Tag != strings.ToLower(tt.tag) {
			t.Errorf("%s %q: %+v", tt.tag, tt.value, c)
		}
	}
}

func TestJudgeCAA(t *testing.T) {
	t.Parallel()
	us := CAAQuery{Domain: "ca.example", Account: "https://ca.example/1", Method: "ca-txt"}
	wild := us
	wild.Wildcard = true
	tests := []struct {
		name string
		set  string // "flag tag value" separated by |
		q    CAAQuery
		id   string
	}{
		{"no set", "", us, ""},
		{"only iodef", "0 iodef mailto:x", us, ""},
		{"ours", "0 issue ca.example", us, ""},
		{"ours among others", "0 issue other|0 issue ca.example", us, ""},
		{"another", "0 issue other.example", us, "caa-issue-excludes-ca"},
		{"nobody", "0 issue ;", us, "caa-deny-all"},
		{"nobody and ours", "0 issue ;|0 issue ca.example", us, ""},
		{"issuewild does not bind other names", "0 issuewild other", us, ""},
		{"issuewild overrides issue", "0 issue ca.example|0 issuewild other", wild, "caa-issuewild-excludes"},
		{"issue binds wildcards", "0 issue other", wild, "caa-issue-excludes-ca"},
		{"issuewild ours", "0 issue other|0 issuewild ca.example", wild, ""},
		{"our account", "0 issue ca.example; accounturi=https://ca.example/1", us, ""},
		{"another account", "0 issue ca.example; accounturi=https://ca.example/2", us, "caa-accounturi-mismatch"},
		{"our method", "0 issue ca.example; validationmethods=dns-01,ca-txt", us, ""},
		{"another method", "0 issue ca.example; validationmethods=dns-01", us, "caa-validationmethods"},
		{"one that fits among some that do not", "0 issue ca.example; validationmethods=dns-01|0 issue ca.example", us, ""},
		{"parameter twice", "0 issue ca.example; accounturi=a; accounturi=b", us, "caa-malformed-param"},
		{"malformed", "0 issue ca.example; a_b=1", us, "caa-malformed-param"},
		{"critical unknown", "128 tbs x|0 issue ca.example", us, "caa-critical-unknown"},
		{"bit 1", "1 tbs x", us, "caa-critical-unknown"},
		{"not critical", "0 tbs x|2 foo x", us, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Resolved{Name: "example.test", FoundAt: "example.test", CAA: parseSet(tt.set)}
			if v := r.JudgeCAA(tt.q); v.ID != tt.id || (v.ID != "") != (v.Text != "") {
				t.Errorf("got %+v, want %q", v, tt.id)
			}
		})
	}
	r := Resolved{Name: "a.example.test", FoundAt: "example.test", CAA: parseSet("0 issue other")}
	if v := r.JudgeCAA(us); v.ID != "caa-parent-inherited" {
		t.Errorf("inherited: %+v", v)
	}
}

func parseSet(s string) []CAA {
	var out []CAA
	for _, one := range strings.Split(s, "|") {
		f := strings.SplitN(one, " ", 3)
		if len(f) == 3 {
			var flag uint8
			for _, r := range f[0] {
				flag = flag*10 + uint8(r-'0')
			}
			out = append(out, ParseCAA(flag, f[1], f[2]))
		}
	}
	return out
}

// FuzzCAA: whatever stands in a record, nothing panics, a malformed property permits nobody, and
// permission needs a value that begins with the asked domain.
func FuzzCAA(f *testing.F) {
	for _, v := range []string{"ca.example", ";", "", "ca.example; a=b", "ca.example;accounturi=x;validationmethods=y", "ca.example; a_b=1", " \t;;=;", "ca.example\x00", "\xff"} {
		f.Add(uint8(0), "issue", v)
		f.Add(uint8(128), "issuewild", v)
	}
	f.Fuzz(func(t *testing.T, flag uint8, tag, value string) {
		c := ParseCAA(flag, tag, value)
		v := Resolved{Name: "x.test", FoundAt: "x.test", CAA: []CAA{c}}.JudgeCAA(CAAQuery{Domain: "ca.example", Account: "a", Method: "m"})
		if c.Tag != "issue" || v.ID != "" {
			return
		}
		if c.Malformed != "" || !strings.HasPrefix(strings.ToLower(strings.Trim(value, " \t")), "ca.example") {
			t.Errorf("permitted by %q (%+v)", value, c)
		}
	})
}
