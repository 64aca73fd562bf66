package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
)

// wire is what clients really sent to a server, and what it answered.
type wire struct {
	mu   sync.Mutex
	hits []hit
}

// hit is one request. Its body is kept where the specification says what it must be.
type hit struct {
	Method, Path, Version, Agent string
	Code                         int
	Body                         []byte
}

// around listens in on a handler.
func (x *wire) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := hit{Method: r.Method, Path: r.URL.EscapedPath(), Version: r.URL.Query().Get("api-version"), Agent: r.UserAgent()}
		e := &ear{ResponseWriter: w, keep: strings.Contains(strings.ToLower(strings.ReplaceAll(h.Path, "//", "/")), strings.ToLower("/providers/"+order.Provider+"/"))}
		next.ServeHTTP(e, r)
		h.Code, h.Body = e.code, e.body.Bytes()
		x.mu.Lock()
		defer x.mu.Unlock()
		x.hits = append(x.hits, h)
	})
}

// ear passes an answer on and remembers it.
type ear struct {
	http.ResponseWriter
	keep bool
	code int
	body bytes.Buffer
}

func (e *ear) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func (e *ear) WriteHeader(code int) {
	if e.code == 0 {
		e.code = code
	}
	e.ResponseWriter.WriteHeader(code)
}

func (e *ear) Write(b []byte) (int, error) {
	if e.code == 0 {
		e.code = http.StatusOK
	}
	if e.keep {
		e.body.Write(b)
	}
	return e.ResponseWriter.Write(b)
}

func (x *wire) all() []hit {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.hits)
}

// valid holds every answer to an operation of Azure's specification against it: status and schema, and the envelope of
// what was refused.
func (x *wire) valid(t *testing.T) {
	t.Helper()
	for _, bad := range x.invalid(loadAzure(t)) {
		t.Error(bad)
	}
}

func (x *wire) invalid(a *azure) (bad []string) {
	var r arm.Router[azureOperation]
	for _, o := range a.operations {
		r.Add(o.Method, o.Path, o)
	}
	for _, h := range x.all() {
		f, ok := r.Find(h.Method, h.Path)
		if !ok || h.Method == http.MethodHead || !slices.Contains(certVersions(), h.Version) {
			continue
		}
		o := f.Value
		name, listed := o.Responses[strconv.Itoa(h.Code)]
		schema, _ := name.(string)
		switch {
		case h.Code >= 400:
			schema = "DefaultErrorResponse"
		case !listed:
			bad = append(bad, fmt.Sprintf("%s %s is answered with %d, which %s does not list", h.Method, h.Path, h.Code, o.OperationID))
			continue
		case schema == "":
			if len(h.Body) > 0 {
				bad = append(bad, fmt.Sprintf("%s %s is answered with %d and a body: %.200s", h.Method, h.Path, h.Code, h.Body))
			}
			continue
		}
		if err := a.check(schema, h.Body); err != nil {
			bad = append(bad, fmt.Sprintf("%s %s: the answer is no %s: %v\n%.1000s", h.Method, h.Path, schema, err, h.Body))
		}
	}
	return bad
}

// certVersions are the API versions of certificate orders.
func certVersions() []string {
	for _, t := range arm.Registry() {
		if t.Provider == order.Provider {
			return t.Versions
		}
	}
	return nil
}

// operation is one that a client must have used, and the statuses that are its success.
type operation struct {
	ID, Method, Path string
	Success          []string
}

// used sees that a client used each of these operations, and that each went well at least once.
func (x *wire) used(t *testing.T, agent string, operations []operation) {
	t.Helper()
	if len(operations) == 0 {
		t.Fatal("there are no operations to look for")
	}
	for _, missing := range x.unused(agent, operations) {
		t.Error(missing)
	}
}

func (x *wire) unused(agent string, operations []operation) (missing []string) {
	var r arm.Router[operation]
	for _, o := range operations {
		r.Add(o.Method, o.Path, o)
	}
	well := map[string]bool{}
	for _, h := range x.all() {
		if !strings.Contains(h.Agent, agent) {
			continue
		}
		if strings.HasSuffix(h.Path, "/") { // how Key Vault's clients say: the latest version
			h.Path += "latest"
		}
		if f, ok := r.Find(h.Method, h.Path); ok && slices.Contains(f.Value.Success, strconv.Itoa(h.Code)) {
			well[f.Value.ID] = true
		}
	}
	for _, o := range operations {
		if !well[o.ID] {
			missing = append(missing, fmt.Sprintf("%s was not used with success by the client %s: %s %s", o.ID, agent, o.Method, o.Path))
		}
	}
	return missing
}

// certOperations are those of Microsoft.CertificateRegistration but some.
func certOperations(t *testing.T, but ...string) (list []operation) {
	t.Helper()
	for _, o := range loadAzure(t).operations {
		var codes []string
		for code := range o.Responses {
			if strings.HasPrefix(code, "2") {
				codes = append(codes, code)
			}
		}
		if !slices.Contains(but, o.OperationID) {
			list = append(list, operation{o.OperationID, o.Method, o.Path, codes})
		}
	}
	return list
}

// vaultOperations are those of Key Vault's data plane on secrets or certificates.
func vaultOperations(t *testing.T, what string) (list []operation) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "arm", "testdata", "azure", "keyvault.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Op, Method, Path string
		Success          []string
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if strings.HasPrefix(o.Path, "/"+what) || strings.HasPrefix(o.Path, "/deleted"+what) {
			list = append(list, operation{o.Op, o.Method, o.Path, o.Success})
		}
	}
	return list
}

// ownOperations are those that the registry has for a provider and these prefixes of their ids.
func ownOperations(provider string, prefixes ...string) (list []operation) {
	for _, t := range arm.Registry() {
		for _, o := range t.Operations {
			if t.Provider == provider && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(o.ID, p) }) {
				var codes []string
				for _, c := range o.Codes {
					codes = append(codes, fmt.Sprint(c))
				}
				list = append(list, operation{o.ID, o.Method, o.Path, codes})
			}
		}
	}
	return list
}

// TestWire: a missing operation, an answer of another status and one of another schema are seen.
func TestWire(t *testing.T) {
	t.Parallel()
	if n, s, c := len(certOperations(t)), len(vaultOperations(t, "secrets")), len(vaultOperations(t, "certificates")); n != 23 || s != 12 || c != 27 {
		t.Errorf("the tables have %d, %d and %d operations", n, s, c)
	}
	order := "/subscriptions/s/resourceGroups/g/providers/Microsoft.CertificateRegistration/certificateOrders/o"
	for what, h := range map[string]hit{
		"another status": {Method: "POST", Path: order + "/renew", Code: 202},
		"another schema": {Method: "GET", Path: strings.ToUpper(order), Code: 200, Body: []byte(`{"properties":{}}`)},
		"no envelope":    {Method: "GET", Path: order, Code: 404, Body: []byte(`not here`)},
		"a body":         {Method: "DELETE", Path: order, Code: 204, Body: []byte(`{}`)},
	} {
		h.Version = "2024-11-01"
		if bad := (&wire{hits: []hit{h}}).invalid(loadAzure(t)); len(bad) != 1 {
			t.Errorf("%s goes through: %v", what, bad)
		}
	}
	x := &wire{hits: []hit{{Method: "POST", Path: order + "/renew", Code: 204, Agent: "azsdk"}, {Method: "POST", Path: order + "/reissue", Code: 409, Agent: "azsdk"}, {Method: "DELETE", Path: order, Code: 204, Agent: "curl"}}}
	if missing := x.unused("azsdk", certOperations(t)); len(missing) != 22 {
		t.Errorf("one operation was used with success by azsdk, but %d are missing: %v", len(missing), missing)
	}
}

// TestOldClients: what clients of before 2022 need besides, which only make test-all has: the first version of the token
// endpoint says until when a token holds, and the lists of actions are also in their form.
func TestOldClients(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	ask := func(form url.Values, header ...string) (int, []byte) {
		code, _, data := c.caller("").call("POST", "/any/oauth2/v2.0/token", form.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
		return code, data
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"owner"}, "client_secret": {c.FirstRun}, "resource": {"https://management.azure.com/"}}
	_, _, data := c.caller("").call("POST", "/any/oauth2/token?api-version=1.0", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var grant struct {
		Token    string `json:"access_token"`
		Until    string `json:"expires_on"`
		From     string `json:"not_before"`
		Resource string
		In       int64 `json:"expires_in"`
	}
	if err := json.Unmarshal(data, &grant); err != nil || grant.Token == "" || grant.Resource != form.Get("resource") {
		t.Fatalf("sign in: %s", data)
	}
	from, _ := strconv.ParseInt(grant.From, 10, 64)
	until, _ := strconv.ParseInt(grant.Until, 10, 64)
	if now := c.Now().Unix(); from > now || until < now+60 || until > now+3600 || grant.In != 3600 {
		t.Errorf("it holds from %q until %q, %d seconds", grant.From, grant.Until, grant.In)
	}
	if grant.Token == c.FirstRun || grant.Token == "" {
		t.Error("the token endpoint gives the secret itself for a token, which never ends")
	}
	again := url.Values{"grant_type": {"client_credentials"}, "client_id": {"owner"}, "client_secret": {grant.Token}}
	if code, data := ask(again); code != http.StatusUnauthorized {
		t.Errorf("a token is taken for a secret: %d %s", code, data)
	}
	again.Set("client_id", "somebody")
	again.Set("client_secret", c.FirstRun)
	if code, data := ask(again); code != http.StatusUnauthorized || !bytes.Contains(data, []byte("AADSTS7000215")) {
		t.Errorf("another client's secret: %d %s", code, data)
	}
	if code, data := ask(url.Values{"grant_type": {"client_credentials"}}, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("owner:"+url.QueryEscape(c.FirstRun)))); code != http.StatusOK || !bytes.Contains(data, []byte(`"access_token":`)) {
		t.Errorf("the secret in the header: %d %s", code, data)
	}
	_, _, data = c.caller(grant.Token).call("POST", c.id.String()+"/retrieveCertificateActions?api-version=2018-02-01", "")
	var actions []arm.ActionTaken
	if err := json.Unmarshal(data, &actions); err != nil || len(actions) == 0 || actions[0].Type == "" || actions[0].Properties != actions[0].ActionFacts {
		t.Errorf("actions: %s", data)
	}
	guess := url.Values{"grant_type": {"client_credentials"}, "client_id": {"guessed"}, "client_secret": {"cw_guess"}}
	for try := range 11 { // ten wrong secrets a minute, then none is looked at
		code, data := ask(guess)
		var e struct {
			Error, Timestamp string
			Description      string `json:"error_description"`
			Codes            []int  `json:"error_codes"`
			Trace            string `json:"trace_id"`
			Correlation      string `json:"correlation_id"`
		}
		want, word := http.StatusUnauthorized, "invalid_client"
		if try == 10 {
			want, word = http.StatusTooManyRequests, "temporarily_unavailable"
		}
		if err := json.Unmarshal(data, &e); err != nil || code != want || e.Error != word || len(e.Codes) != 1 || !strings.HasPrefix(e.Description, fmt.Sprintf("AADSTS%d: ", e.Codes[0])) || e.Trace == "" || e.Correlation == "" || e.Timestamp == "" {
			t.Errorf("guess %d: %d %s %v", try+1, code, data, err)
		}
	}
	short, _, err := c.Auth.Issue(t.Context(), "short", auth.Reader, "/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c.move(time.Duration(until-c.Now().Unix()+1) * time.Second)
	if code, data := ask(url.Values{"grant_type": {"client_credentials"}, "client_id": {"short"}, "client_secret": {short}}); code != http.StatusUnauthorized || !bytes.Contains(data, []byte("AADSTS7000222")) {
		t.Errorf("a secret that has expired: %d %s", code, data)
	}
	c.caller(grant.Token).refused("GET", c.id.String()+orderV, "", 401, "AuthenticationFailed")
}
