package cli

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
)

// TestMain lets the test binary be the program itself, for tests that need it in a terminal of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "run-the-program" {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		os.Exit(Main("test"))
	}
	os.Exit(m.Run())
}

const (
	walkedGroup  = "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/" + order.DefaultGroup
	walkedOrders = walkedGroup + "/providers/" + order.Type
	manyOrders   = 250
)

// walkedAPI is a server with one order that is well, one that is not, and as many others as fill three pages.
type walkedAPI struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string // method, path and body of each request but the following
	state  map[string]order.Projection
	events chan order.Event
	gone   chan struct{} // closed: nothing is followed any more
	once   sync.Once
	silent atomic.Bool // it answers nothing

	withdrawn atomic.Bool // it refuses the token
}

func newWalkedAPI(t *testing.T) *walkedAPI {
	t.Helper()
	a := &walkedAPI{events: make(chan order.Event, 8), gone: make(chan struct{}), state: map[string]order.Projection{
		"bad":  {Status: order.Issued, Stage: order.StageServe, State: order.StateFail, Owner: order.OwnerAdmin, Finding: "dns-domain-not-delegated", FindingTitle: "Nobody delegates example.test", FindingSince: time.Date(2026, 11, 24, 11, 0, 0, 0, time.UTC)},
		"good": {Status: order.Issued, Stage: order.StageOrder, State: order.Done},
	}}
	for i := range manyOrders {
		a.state[fmt.Sprintf("order-%03d", i)] = order.Projection{Status: order.Issued, State: order.Done}
	}
	a.Server = httptest.NewTLSServer(a)
	t.Cleanup(a.stop)
	return a
}

// stop ends the server; it may be called again. A client that connects anew in between must not be held, or Close waits for
// it for ever.
func (a *walkedAPI) stop() {
	a.once.Do(func() { close(a.gone) })
	a.CloseClientConnections()
	a.Close()
}

func (a *walkedAPI) resource(name string) map[string]any {
	p := a.state[name]
	path := []order.Stage{{Stage: order.StageOrder, State: order.Done}, {Stage: order.StageServe, State: p.State}}
	return map[string]any{"id": walkedOrders + "/" + name, "name": name, "type": order.Type, "etag": `"7"`, "properties": map[string]any{
		"provisioningState": map[bool]string{true: "Succeeded", false: "Failed"}[p.State == order.Done], "status": p.Status, "summary": p, "path": path}}
}

// page is a page of the orders: a hundred, after so many.
func (a *walkedAPI) page(from int) any {
	names := []string{"bad", "good"}
	for i := range manyOrders {
		names = append(names, fmt.Sprintf("order-%03d", i))
	}
	list := map[string]any{}
	var value []any
	for _, n := range names[from:min(from+100, len(names))] {
		value = append(value, a.resource(n))
	}
	if list["value"] = value; from+100 < len(names) {
		list["nextLink"] = fmt.Sprintf("%s%s?$skiptoken=%d&api-version=x", a.URL, walkedOrders, from+100)
	}
	return list
}

// leave has the server end its connections and answer nothing any more, until comeBack.
func (a *walkedAPI) leave() {
	a.silent.Store(true)
	a.CloseClientConnections()
}

func (a *walkedAPI) comeBack() { a.silent.Store(false) }

func (a *walkedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.silent.Load() {
		panic(http.ErrAbortHandler)
	}
	if a.withdrawn.Load() {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":{"code":"InvalidAuthenticationToken","message":"this token was deleted"}}`))
		return
	}
	if r.URL.Path == "/v1/timeline/follow" {
		f := api.FollowedAll{Next: "1", Events: []order.Event{}}
		if r.URL.Query().Get("after") != "" {
			select {
			case e := <-a.events:
				f.Events = append(f.Events, e)
			case <-r.Context().Done():
				return
			case <-a.gone:
				panic(http.ErrAbortHandler)
			}
		}
		_ = json.NewEncoder(w).Encode(f)
		return
	}
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.URL.Query().Get("$skiptoken")+string(body)))
	status, answer := a.answer(r)
	w.WriteHeader(status)
	if answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (a *walkedAPI) answer(r *http.Request) (int, any) {
	none := map[string]any{"value": []any{}}
	group := map[string]any{"id": walkedGroup, "name": "default", "properties": map[string]any{"provisioningState": "Succeeded"}}
	subscriptions := []any{map[string]any{"subscriptionId": order.DefaultSubscription, "id": "/subscriptions/" + order.DefaultSubscription, "displayName": "Main", "state": "Enabled"},
		map[string]any{"subscriptionId": "s2", "id": "/subscriptions/s2", "displayName": "支払い部門", "state": "Warned"}}
	name, ofOrder := strings.CutPrefix(r.URL.Path, walkedOrders+"/")
	_, known := a.state[name]
	switch p := r.URL.Path; {
	case r.Method == "POST":
		return http.StatusNoContent, nil
	case r.Method == "DELETE":
		delete(a.state, name)
		return http.StatusNoContent, nil
	case p == "/v1/orders":
		return http.StatusOK, arm.List[order.Summary]{Value: []order.Summary{{ID: order.Short("order-249"), Projection: a.state["order-249"]}}}
	case p == "/subscriptions":
		return http.StatusOK, map[string]any{"value": subscriptions}
	case p == "/subscriptions/"+order.DefaultSubscription:
		return http.StatusOK, subscriptions[0]
	case strings.HasSuffix(p, "/resourceGroups"):
		return http.StatusOK, map[string]any{"value": []any{group}}
	case p == walkedGroup:
		return http.StatusOK, group
	case p == walkedOrders:
		from := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("$skiptoken"), &from)
		return http.StatusOK, a.page(from)
	case ofOrder && known:
		return http.StatusOK, a.resource(name)
	case ofOrder && strings.HasSuffix(p, "/diagnose"):
		return http.StatusOK, map[string]any{"target": "bad", "healthy": false, "findings": []any{map[string]any{"id": "dns-domain-not-delegated", "leg": "dns", "severity": "critical", "certainty": "confirmed", "title": "Nobody delegates example.test", "cause": "The registration ended.", "fix": map[string]any{"text": "Renew the registration."}}}}
	case strings.HasSuffix(p, "/vaults"):
		return http.StatusForbidden, map[string]any{"error": map[string]any{"code": "AuthorizationFailed", "message": "the token may not do that"}}
	case strings.HasPrefix(p, walkedGroup+"/providers/") && !ofOrder:
		return http.StatusOK, none
	}
	return http.StatusNotFound, map[string]any{"error": map[string]any{"code": "NotFound", "message": "there is no such thing", "fix": "See what there is"}}
}

// requests counts those that begin with the words, and exactly those that are them.
func (a *walkedAPI) requests(words string) (begin, exactly int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.asked {
		if strings.HasPrefix(r, words) {
			begin++
		}
		if r == words {
			exactly++
		}
	}
	return begin, exactly
}

// contextOf writes a context file that leads to a server.
func contextOf(t *testing.T, s *httptest.Server) string {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	data, err := json.Marshal(Context{URL: s.URL, CA: string(ca), Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "context.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// terminal is the program in a terminal: a real pty, drawn by an emulator that the program knows nothing of.
type terminal struct {
	t     *testing.T
	pty   *os.File
	drawn chan struct{} // something was written to it
	over  chan error    // how the program ended
	mu    sync.Mutex    // of screen
	*vt.Emulator
}

// inTerminal starts the program in a terminal of a size.
func inTerminal(t *testing.T, file string, w, h int, environ []string, args ...string) *terminal {
	t.Helper()
	c := exec.Command(os.Args[0], append([]string{"run-the-program"}, args...)...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "LANG=C.UTF-8", "CERTWRIGHT_CONTEXT=" + file}, environ...)
	f, err := pty.StartWithSize(c, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)})
	if err != nil {
		t.Fatal(err)
	}
	s := &terminal{t: t, pty: f, drawn: make(chan struct{}, 1), over: make(chan error, 1), Emulator: vt.NewEmulator(w, h)}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = f.Close()
		if in, ok := s.InputPipe().(io.Closer); ok { // its own Close races with its Read
			_ = in.Close()
		}
	})
	go func() { _, _ = io.Copy(f, s.Emulator) }() // what the terminal answers
	go s.listen()
	go func() { s.over <- c.Wait() }()
	return s
}

// listen draws what the program writes, until it ends.
func (s *terminal) listen() {
	buf := make([]byte, 32<<10)
	for {
		n, err := s.pty.Read(buf)
		s.mu.Lock()
		_, _ = s.Write(buf[:n])
		s.mu.Unlock()
		select {
		case s.drawn <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// text is what stands on the screen.
func (s *terminal) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.String()
}

// await waits until the screen shows all of the words, and none that begins with a "!".
func (s *terminal) await(words ...string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%q", words), func() bool {
		text := s.text()
		for _, w := range words {
			if not, ok := strings.CutPrefix(w, "!"); ok && strings.Contains(text, not) || !ok && !strings.Contains(text, w) {
				return false
			}
		}
		return true
	})
}

// until waits until the screen is as it is meant to be.
func (s *terminal) until(what string, is func() bool) {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for !is() {
		select {
		case <-s.drawn:
		case <-limit:
			s.t.Fatalf("the screen never shows %s:\n%s", what, s.text())
		}
	}
}

// press types keys.
func (s *terminal) press(keys ...string) {
	s.t.Helper()
	named := map[string]string{"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "enter": "\r", "escape": "\x1b", "end": "\x1b[F", "tab": "\t", "backspace": "\x7f"}
	for _, k := range keys {
		if code, ok := named[k]; ok {
			k = code
		}
		if _, err := s.pty.WriteString(k); err != nil {
			s.t.Fatal(err)
		}
	}
}

// size changes the terminal's size.
func (s *terminal) size(w, h int) {
	s.t.Helper()
	s.mu.Lock()
	s.Resize(w, h)
	s.mu.Unlock()
	if err := pty.Setsize(s.pty, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)}); err != nil {
		s.t.Fatal(err)
	}
}

// coloured says whether any cell has a colour.
func (s *terminal) coloured() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for y := range s.Height() {
		for x := range s.Width() {
			if c := s.CellAt(x, y); c != nil && (c.Style.Fg != nil || c.Style.Bg != nil) {
				return true
			}
		}
	}
	return false
}

// column is the column of the first cell of a row that has a sign; -1 = none.
func (s *terminal) column(y int, sign string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.Width() {
		if c := s.CellAt(x, y); c != nil && c.Content == sign {
			return x
		}
	}
	return -1
}

// ends waits until the program has ended.
func (s *terminal) ends() error {
	s.t.Helper()
	select {
	case err := <-s.over:
		return err
	case <-time.After(20 * time.Second):
		s.t.Fatalf("the program does not end:\n%s", s.text())
		return nil
	}
}
