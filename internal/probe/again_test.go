package probe

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"certwright/internal/evidence"
)

// Two nodes that take turns never pass for a rule by User-Agent: whichever of them begins, one program at least gets both answers.
func TestAgentsDoNotTakeTurns(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int32{1, 2, 3} {
		for begin := range nodes {
			var n atomic.Int32
			n.Store(begin)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1)%nodes == 0 {
					http.NotFound(w, r)
					return
				}
				fmt.Fprint(w, chBody)
			}))
			t.Cleanup(s.Close)
			q := published()
			q.Name, q.Port = chName, portOfServer(t, s)
			got, _ := evidence.Decode[evidence.Agents](newProber(Options{}).LookAgents(t.Context(), q, netip.MustParseAddr("127.0.0.1")))
			answers, asked := map[string]map[int]bool{}, map[string]int{}
			for _, f := range got.Tries {
				if answers[f.Agent] == nil {
					answers[f.Agent] = map[int]bool{}
				}
				answers[f.Agent][f.Hops[0].Status] = true
				asked[f.Agent]++
			}
			both := false
			for a, statuses := range answers {
				both = both || len(statuses) == 2
				if asked[a] < 2 {
					t.Errorf("%s was asked once", a)
				}
			}
			if len(answers) != 5 || both != (nodes > 1) {
				t.Errorf("%d nodes: %v", nodes, answers)
			}
		}
	}
}

// The same handshakes again: each offer several times, and one that is answered by turns shows.
func TestLookAgain(t *testing.T) {
	t.Parallel()
	ec, rs := pair(t)
	var n atomic.Int32
	_, turns := serveTLS(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if n.Add(1)%2 == 0 {
			return &rs, nil
		}
		return &ec, nil
	}})
	_, steady := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}})
	offers := []evidence.Offer{{ServerName: "www.example.test", Offered: OfferAny}, {Offered: OfferAny}}
	for at, want := range map[string]evidence.Outcome{"127.0.0.1:" + turns: evidence.Fail, "127.0.0.1:" + steady: evidence.Pass, "nowhere": evidence.Unknown} {
		o := newProber(Options{}).LookAgain(t.Context(), at, offers)
		a, _ := evidence.Decode[evidence.Again](o)
		if o.Outcome != want || want != evidence.Unknown && len(a.Served) != 8 {
			t.Errorf("%s: %s, %d handshakes", at, o, len(a.Served))
		}
	}
}

// A server that cuts the first connection only was not seen to be broken: the look is made again at once.
func TestAFailureOfAMomentPasses(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	var n atomic.Int32
	_, port := serve(t, func(c net.Conn) {
		if n.Add(1) == 1 {
			c.(*net.TCPConn).SetLinger(0)
			return
		}
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{ec}}).Handshake()
	})
	obs := newProber(Options{}).SurveyTLS(t.Context(), "127.0.0.1", port, []string{"www.example.test"})
	if obs[0].Check != CheckPassing || obs[0].Outcome != evidence.Unknown || !strings.Contains(obs[0].Reason, "a moment later") {
		t.Error(obs[0])
	}
	if obs[1].Check != "handshake" || obs[1].Outcome != evidence.Pass || len(obs) < 5 {
		t.Errorf("the survey did not go on: %v", obs)
	}
}
