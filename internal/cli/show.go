package cli

import (
	"fmt"
	"strings"

	"golang.org/x/net/idna"

	"certwright/internal/client"
	"certwright/internal/order"
)

var stateMark = map[order.StageState]string{order.Done: "✓", order.StateWait: "…", order.Blocked: "■", order.StateFail: "✗", order.Disabled: "–", order.StateUnkno: "?", order.Absent: " "}

// stateCode is the colour of a state.
var stateCode = map[order.StageState]string{order.Done: "32", order.StateWait: "33", order.Blocked: "33", order.StateFail: "1;31", order.Disabled: "2", order.StateUnkno: "36"}

// colour is the painter of everything but diagnose, which has a flag for it.
func (e *Env) colour() paint {
	p, _ := e.painter("auto") // auto is known
	return p
}

// printOrder prints an order as a person wants to see it at night: what is wrong first, then the path.
func (e *Env) printOrder(o *client.Order) {
	p, c := &o.Properties, e.colour()
	e.printf("%s  %s\n", c.bold(o.Name), statusWord(o, c))
	e.printf("%s", e.wrap("  ", strings.Join(names(p.Names), ", ")))
	e.printf("%s", e.wrap("  ", strings.Join(settings(o), ", ")))
	if p.ExpirationTime != nil {
		valid := "valid until " + stamp(*p.ExpirationTime) + " (" + e.ago(p.ExpirationTime) + ")"
		switch {
		case p.NextAutoRenewal != nil:
			valid += ", to be renewed " + e.due(p.NextAutoRenewal)
		case p.OrderKind == order.Imported:
			valid += ", which nobody renews here"
		}
		e.printf("  %s\n", valid)
	}
	for _, v := range p.Versions {
		if v.RevokeAt != nil && v.State != order.VersionRevoked {
			e.printf("%s", e.wrap("  ", fmt.Sprintf("version %d (serial %s) is to be revoked %s, once no target holds it", v.Number, v.Serial, e.due(v.RevokeAt))))
		}
	}
	if p.OutOfSync {
		e.printf("  %s %s\n", c.as("1;33", "Key Vault out of sync:"), p.VaultStatus)
	}
	if w := p.Worst; w.Finding != "" {
		e.printf("\n%s", c.as("1;31", e.wrap("  ✗ ", e.wrong(&w))))
	}
	told := e.printTrouble(o, c)
	e.printf("\n")
	e.printPathOf(p.Path, told, c)
}

func statusWord(o *client.Order, c paint) string {
	code := "1;33"
	switch o.Properties.Status {
	case order.Issued:
		code = "1;32"
	case order.Denied, order.StatusExpired, order.StatusRevoked:
		code = "1;31"
	}
	word := string(o.Properties.Status)
	if o.Properties.OrderKind == order.Watched {
		word = "watched"
		if code = "1;32"; unwell(*o) {
			code = "1;31"
		}
	}
	if o.Properties.ProvisioningState == "Deleting" {
		word += ", being deleted"
	}
	return c.as(code, word)
}

// settings are what was ordered, in a few words.
func settings(o *client.Order) []string {
	p := &o.Properties
	var s []string
	switch p.OrderKind {
	case order.Imported:
		s = append(s, "imported from "+dash(p.ImportedFrom))
	case order.Watched:
		s = append(s, "nothing is ordered or kept here: it is only looked at")
	default:
		s = append(s, "issuer "+p.Issuer)
	}
	for _, k := range p.KeyTypes {
		s = append(s, string(k))
	}
	if len(p.Sites) > 0 {
		s = append(s, "site "+strings.Join(p.Sites, " and "))
	}
	switch {
	case p.VaultStatus == order.VaultExternalKey:
		s = append(s, "its key is kept elsewhere: the vault holds nothing of it")
	case p.SecretName != "":
		s = append(s, "secret "+p.SecretName+" in vault "+p.Vault)
	}
	if p.OrderKind == order.Ordered && !p.AutoRenew {
		s = append(s, "not renewed by itself")
	}
	return s
}

// printTrouble says what stands in the way, whole: what, where, why, what to do. It returns the problem's detail, which
// need not be told again below.
func (e *Env) printTrouble(o *client.Order, c paint) string {
	worst := worstProblem(o.Properties.Path)
	if worst == nil {
		return ""
	}
	p, where := worst.Problem, worst.Stage
	if where == order.StageIssue && worst.State == order.StateWait && p.Owner == order.OwnerOwner && p.ID != "renew-external-csr" {
		where = order.StageVerify // the issuer is waited for because the names' owner is
	}
	e.printf("\n%s", c.as(stateCode[worst.State], e.wrap("  "+stateMark[worst.State]+" ", string(where)+": "+p.Error())))
	if p.Cause != "" {
		e.printf("%s", e.wrap("    ", "Likely cause: "+ended(p.Cause)))
	}
	if p.Fix != "" {
		e.printf("%s", e.wrap("    → ", ended(p.Fix)))
	}
	e.printf("%s", e.wrap("    → ", "Look closer with: certwright diagnose "+o.Name))
	return p.Detail
}

// worstProblem is the stage whose problem is told first: one that failed, else the first that has one.
func worstProblem(path []order.Stage) (worst *order.Stage) {
	for i := range path {
		s := &path[i]
		if s.Problem != nil && (worst == nil || worst.State != order.StateFail && s.State == order.StateFail) {
			worst = s
		}
	}
	return worst
}

// ended is a sentence with its full stop; a command, a record or a URL at its end stays as it can be copied.
func ended(s string) string {
	if last := s[strings.LastIndexByte(s, ' ')+1:]; strings.ContainsAny(last, "\"/:=-.!?") {
		return s
	}
	return s + "."
}

// printPathOf prints the stages: how each stands since when, what comes next and when, who must act, by when;
// below it its rows, those that are well shortly.
func (e *Env) printPathOf(path []order.Stage, told string, c paint) {
	cols := []int{10, 10, 13, 13, 12, 0}
	line := func(cells ...string) string {
		var b strings.Builder
		for i, w := range cols {
			b.WriteString(pad(cells[i], w))
		}
		return strings.TrimRight(b.String(), " ")
	}
	e.printf("  %s\n", c.dim(line("STAGE", "STATE", "SINCE", "NEXT", "MUST ACT", "BY")))
	for i := range path {
		s := &path[i]
		if s.State == order.Absent {
			continue
		}
		cells := line(string(s.Stage), pad(string(s.State), cols[1]), e.ago(s.Since), e.due(s.NextAt), dash(s.Owner), e.due(s.Deadline))
		e.printf("%s %s\n", c.as(stateCode[s.State], stateMark[s.State]), strings.Replace(cells, string(s.State), c.as(stateCode[s.State], string(s.State)), 1))
		e.printRows(s, told, c)
	}
}

// rowsShown is how many rows of a stage are listed; problems always are.
const rowsShown = 6

func (e *Env) printRows(s *order.Stage, told string, c paint) {
	if len(s.Rows) == 0 && s.Next != "" {
		e.printf("%s", c.dim(e.wrap("    ", s.Next)))
	}
	hidden := 0
	for i := range s.Rows {
		r := &s.Rows[i]
		if i >= rowsShown && r.State == order.Done {
			hidden++
			continue
		}
		code, first, text := "2", "    ", dash(r.Text)
		if told != "" && r.Problem != nil && r.Problem.Detail == told {
			text = r.Problem.What + " (see above)"
		}
		if len(s.Rows) > 1 {
			first += stateMark[r.State] + " "
		}
		if len(s.Rows) > 1 || r.State != order.Done {
			text = r.Name + ": " + text
		}
		if r.State != order.Done {
			code = stateCode[r.State]
		}
		e.printf("%s", c.as(code, e.wrap(first, text)))
	}
	if hidden > 0 {
		e.printf("%s", c.dim(fmt.Sprintf("      and %d more that are well\n", hidden)))
	}
	if len(s.Rows) > 0 && s.State != order.Done && s.Problem == nil && s.Next != "" && s.Next != s.Rows[0].Text {
		e.printf("%s", e.wrap("    → ", s.Next))
	}
}

// names are written as people read them, with the form that the wire knows where it differs.
func names(list []string) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n
		if u, err := idna.Display.ToUnicode(n); err == nil && u != n && strings.Contains(n, "xn--") {
			out[i] = u + " (" + n + ")"
		}
	}
	return out
}

// unwell says whether a stage failed or is blocked, or the order came to nothing.
func unwell(o client.Order) bool {
	for _, s := range o.Properties.Path {
		if s.State == order.StateFail || s.State == order.Blocked {
			return true
		}
	}
	switch o.Properties.Status {
	case order.Denied, order.StatusExpired:
		return true
	}
	return false
}
