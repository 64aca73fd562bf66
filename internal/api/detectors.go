package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/diagnose"
	"certwright/internal/order"
)

// detector is a view of a diagnosis: the findings of some legs. Azure's two public ones keep their ids; the support
// topics are those of Azure's self-help for App Service Certificates.
type detector struct {
	id, name, text, topic string
	legs                  []string // nil = all
}

var detectors = []detector{
	{"Diagnosis", "Everything along the path", "Looks at the whole path of the order now, root cause first", "", nil},
	{"AutoRenewStatus", "Check auto renew status", "Why the order does or does not renew in time", "32604391", []string{diagnose.LegRenewal, diagnose.LegOrder}},
	{"CertsImport", "Certificates Import/Upload", "Whether sites hold and serve the current version", "32604395", []string{diagnose.LegDeploy, diagnose.LegEndpoint}},
	{"KeyVaultLink", "Key Vault link", "Whether the vault holds what it should", "32604392", []string{diagnose.LegVault}},
	{"DomainVerification", "Domain verification", "Why control of a name is not shown: DNS, CAA, HTTP, TLS-ALPN", "32690925", []string{diagnose.LegDNS, diagnose.LegCAA, diagnose.LegHTTP, diagnose.LegALPN}},
	{"BindingNotUpdated", "Binding not updated after renewal", "Why clients see another version than the vault holds", "32693164", []string{diagnose.LegEndpoint}},
	{"ServiceHealth", "Certwright itself", "What stands in the way of the service", "", []string{diagnose.LegSystem}},
}

// Azure's type of a detector of an order, as its own examples have it.
const detectorType = "Microsoft.Web/certificateOrders/detectors"

func (d detector) resource(o *order.Order, p arm.Detected) arm.Resource {
	p.Metadata = arm.DetectorInfo{ID: d.id, Name: d.name, Description: d.text, Author: "Certwright", Category: "Certificates", Type: "Detector"}
	if d.topic != "" {
		p.Metadata.Topics = []arm.SupportTopic{{ID: d.topic, Pes: "16512"}}
	}
	return arm.Resource{ID: o.ID.String() + "/detectors/" + d.id, Name: d.id, Type: detectorType, Location: "Global", Properties: p}
}

// listDetectors lists what there is; looking takes a while, and is for whoever asks for one.
func (a *API) listDetectors(w http.ResponseWriter, r *request) error {
	o, err := a.load(r)
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{}
	for _, d := range detectors {
		list.Value = append(list.Value, d.resource(o, arm.Detected{Dataset: []arm.DataTable{}, Status: arm.DetectorStatus{ID: "None"}}))
	}
	write(w, http.StatusOK, list)
	return nil
}

// getDetector looks at the order now. Besides the detectors of the list, the id of any finding is one.
func (a *API) getDetector(w http.ResponseWriter, r *request) error {
	if err := grained(r); err != nil {
		return err
	}
	o, err := a.load(r)
	if err != nil {
		return err
	}
	name := r.PathValue("child")
	i := slices.IndexFunc(detectors, func(d detector) bool { return strings.EqualFold(d.id, name) })
	d := detector{id: name, name: name, text: "Whether the finding " + name + " is there"}
	if i >= 0 {
		d = detectors[i]
	} else if !slices.ContainsFunc(slices.Concat(diagnose.KnownIDs(), diagnose.Additions()), func(k diagnose.Known) bool { return strings.EqualFold(k.ID, name) }) {
		return &order.Refusal{Kind: order.NotFound, Code: "DetectorNotFound", Message: fmt.Sprintf("there is no detector %s", name), Fix: "See what there is at " + a.Public + o.ID.String() + "/detectors, or give the id of a finding"}
	}
	report, err := a.Diagnose(r.Context(), o.ID)
	if err != nil {
		return err
	}
	report.Findings = slices.DeleteFunc(report.Findings, func(f diagnose.Finding) bool {
		if i < 0 {
			return !strings.EqualFold(f.ID, name)
		}
		return d.legs != nil && !slices.Contains(d.legs, f.Leg)
	})
	write(w, http.StatusOK, d.resource(o, detected(report, d.legs == nil && i >= 0)))
	return nil
}

// grain is Azure's pattern of timeGrain.
var grain = regexp.MustCompile(`^PT[1-9][0-9]+[SMH]$`)

// grained refuses a time or grain that is none. Those that are say nothing here: a detector looks at the order as it is now.
func grained(r *request) error {
	v := r.URL.Query()
	bad := func(name, form string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidParameter", Property: name, Message: fmt.Sprintf("%q is none", v.Get(name)), Fix: "Write it such as " + form + ", or leave it away: a detector looks at the order as it is now"}
	}
	for _, name := range []string{"startTime", "endTime"} {
		if _, err := time.Parse(time.RFC3339, v.Get(name)); err != nil && v.Get(name) != "" {
			return bad(name, "2026-11-28T02:04:05Z")
		}
	}
	if g := v.Get("timeGrain"); g != "" && !grain.MatchString(g) {
		return bad("timeGrain", "PT15M")
	}
	return nil
}

// detected is a report in the shapes that Azure's portal and clients know. whole: it was not narrowed to some legs.
func detected(r diagnose.Report, whole bool) arm.Detected {
	p := arm.Detected{Status: arm.DetectorStatus{ID: "Success", Message: "Nothing is wrong"}, Dataset: []arm.DataTable{insights(r.Findings)}}
	if len(r.Findings) > 0 {
		f := r.Findings[0]
		p.Status = arm.DetectorStatus{ID: insight(f.Severity), Message: f.Title}
	} else if whole && !r.Healthy {
		p.Status = arm.DetectorStatus{ID: "Warning", Message: "Nothing wrong was seen, and not everything could be looked at"}
	}
	var stages [][]string
	for _, s := range r.Path {
		stages = append(stages, []string{string(s.Stage), string(s.State), s.Next})
	}
	p.Dataset = append(p.Dataset, arm.Texts("path", []string{"Stage", "State", "Next"}, stages, arm.Rendering{Type: "Table", Title: "The path of the order"}))
	if len(r.BlindSpots) > 0 {
		text := "Not looked at:\n"
		for _, b := range r.BlindSpots {
			text += "\n- " + b.What + ": " + b.Because
		}
		p.Dataset = append(p.Dataset, arm.Texts("blindSpots", []string{"Markdown"}, [][]string{{text}}, arm.Rendering{Type: "Markdown", Title: "Blind spots"}))
	}
	return p
}

// insights is the table of findings: a row for each thing said of one, its status and title repeated.
func insights(findings []diagnose.Finding) arm.DataTable {
	var rows [][]string
	for i, f := range findings {
		expanded := "False"
		if i == 0 {
			expanded = "True"
		}
		solutions := "null"
		if f.Fix.Text != "" || f.Fix.Command != "" {
			if b, err := json.Marshal([]map[string]string{{"Name": f.Fix.Text, "Command": f.Fix.Command, "Action": f.Fix.Action}}); err == nil {
				solutions = string(b)
			}
		}
		add := func(name, value string) {
			if value != "" {
				rows = append(rows, []string{insight(f.Severity), f.Title, name, value, expanded, solutions})
			}
		}
		add("Finding", f.ID)
		add("Cause", f.Cause)
		for _, e := range f.Evidence {
			add("Seen", strings.TrimSpace(e.Subject+": "+e.Seen))
			add("Expected", e.Expected)
			add("Repeat it with", e.Command)
		}
		for _, x := range f.RuledOut {
			add("Not "+x.ID, x.Because)
		}
		add("Fix", f.Fix.Text)
		add("Command", f.Fix.Command)
	}
	return arm.Texts("insights", []string{"Status", "Message", "Data.Name", "Data.Value", "Expanded", "Solutions"}, rows, arm.Rendering{Type: "Insights", Title: "Findings", Description: "Root cause first"})
}

// insight is Azure's word for a severity.
func insight(severity string) string {
	switch severity {
	case diagnose.Critical:
		return "Critical"
	case diagnose.Warning:
		return "Warning"
	}
	return "Info"
}
