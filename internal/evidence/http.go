package evidence

import (
	"cmp"
	"time"
)

// Fetched is the raw evidence of one HTTP look (ProbeHTTP): every hop of it.
type Fetched struct {
	URL        string        `json:"url"`
	Agent      string        `json:"agent,omitempty"` // User-Agent sent, where it is not the prober's own
	Hops       []Hop         `json:"hops"`
	Body       []byte        `json:"body,omitempty"`   // the first 1 KiB of the last answer
	Longer     bool          `json:"longer,omitempty"` // the body goes on after Body
	Error      string        `json:"error,omitempty"`
	ErrorClass string        `json:"errorClass,omitempty"` // as Served.ErrorClass, and too-many-redirects, redirect-loop, bad-redirect, bad-url, not-http
	Bad        string        `json:"bad,omitempty"`        // of a bad-redirect what is wrong with it: one of the Bad words
	Phase      string        `json:"phase,omitempty"`      // what was under way when the error came: one of the Phase words
	Took       time.Duration `json:"tookNs,omitempty"`
}

// Phases of a hop: what was under way when an error came (Fetched.Phase).
const (
	PhaseResolve = "resolve" // finding the host's addresses
	PhaseConnect = "connect" // the TCP connection
	PhaseTLS     = "tls"     // the TLS handshake of an https hop
	PhaseAnswer  = "answer"  // connected; no complete header has come back
	PhaseBody    = "body"    // the header came, the body did not end
)

// What can be wrong with a redirect that authorities do not follow (Fetched.Bad).
const (
	BadScheme = "scheme" // neither http nor https
	BadPort   = "port"   // neither 80 nor 443
	BadHost   = "host"   // no host, an address, or a name of a single label
	BadSlash  = "slash"  // the "/" after the host is missing, so that the path became part of it
)

// Hop is one request of a Fetched.
type Hop struct {
	URL      string   `json:"url"`
	Address  string   `json:"address"` // ip:port dialled
	Status   int      `json:"status,omitempty"`
	Location string   `json:"location,omitempty"`
	Server   string   `json:"server,omitempty"`      // the Server header
	Type     string   `json:"contentType,omitempty"` // the Content-Type header
	Cached   string   `json:"cached,omitempty"`      // headers by which caches and proxies show: "Age: 61; X-Cache: HIT"
	Hit      bool     `json:"hit,omitempty"`         // those headers say that the answer came out of a cache
	Asks     string   `json:"asks,omitempty"`        // the WWW-Authenticate header
	Gate     string   `json:"gate,omitempty"`        // header by which a firewall says that it tests for a browser
	Cookies  []string `json:"cookies,omitempty"`     // names of the cookies set
	Cert     []byte   `json:"cert,omitempty"`        // leaf of an https hop, DER; not verified, as authorities do
}

// Kinds of what a challenge look expects to find (Challenge.Kind).
const (
	KindProof  = "proof"  // a proof that is published for an authority now
	KindCanary = "canary" // a file that we published the same way for this look
	KindAbsent = "absent" // a random name that nobody has: 404 is what a healthy server answers
)

// ChallengeAsk says which challenge path to look at.
type ChallengeAsk struct {
	Name    string   // DNS name or IP address
	Method  string   // "http-01" or "html"
	Port    int      // 0 = 80
	Token   string   // last part of the path; empty = a random one (KindAbsent)
	Path    string   // whole path with its first slash, where it is not /.well-known/acme-challenge/<token>
	Kind    string   // one of the kinds; empty = KindAbsent
	Body    string   // what has to be there, empty for KindAbsent
	Thumb   string   // thumbprint of the account (RFC 8555 section 8.1), empty = not known: a server may make up the answer from it
	Kin     []string // other names that the same server may know; empty = with or without www
	ByHand  bool     // its owner has to publish it: that nothing is there is a state, no fault
	Doubted bool     // an authority says that it is not answered as it should be
}

// Filled completes an ask: port 80, a name that nobody has where nothing is published, the path of its token in dir.
func (q ChallengeAsk) Filled(dir, token string) ChallengeAsk {
	q.Port = cmp.Or(q.Port, 80)
	q.Kind = cmp.Or(q.Kind, KindAbsent)
	q.Token = cmp.Or(q.Token, token)
	q.Path = cmp.Or(q.Path, dir+q.Token)
	return q
}

// Challenge is the raw evidence of looking at a challenge path at one address (ProbeHTTP, Check
// "challenge"). Tries are the same request one after the other, each on a connection of its own. The
// comparisons are made only where the tries did not show what is wanted; nil = not made.
type Challenge struct {
	Name    string    `json:"name"`
	Method  string    `json:"method"`
	Kind    string    `json:"kind"`
	Token   string    `json:"token"`
	Path    string    `json:"path"`
	Expect  string    `json:"expect,omitempty"`  // the body that has to be there
	Thumb   string    `json:"thumb,omitempty"`   // the account's thumbprint, with which a server may make up the answer
	ByHand  bool      `json:"byHand,omitempty"`  // its owner has to publish it
	Doubted bool      `json:"doubted,omitempty"` // an authority said that it was not answered as it should be
	Address string    `json:"address"`           // ip:port
	Family  string    `json:"family"`            // ip4 or ip6
	Tries   []Fetched `json:"tries"`

	Outside *Fetched  `json:"outside,omitempty"` // a random name at the top: /certwright-...
	Dot     *Fetched  `json:"dot,omitempty"`     // a random name at the top that begins with a dot
	Beside  *Fetched  `json:"beside,omitempty"`  // a random name in /.well-known/
	Absent  *Fetched  `json:"absent,omitempty"`  // a random name beside the token
	Busted  *Fetched  `json:"busted,omitempty"`  // the same path with a query that no cache has seen
	Root    *Fetched  `json:"root,omitempty"`    // the home page, its redirects not followed
	Nobody  *Fetched  `json:"nobody,omitempty"`  // the home page of a host name that nobody has, at this address
	Kin     []Fetched `json:"kin,omitempty"`     // the home pages of neighbouring names, at this address
	KinPath []Fetched `json:"kinPath,omitempty"` // the challenge path asked for those names
	Agents  []Fetched `json:"agents,omitempty"`  // the same path as other programs: what an Agents brought, once joined
	Speaks  string    `json:"speaks,omitempty"`  // what the port turned out to speak in place of HTTP/1: "tls" or "h2c"
}

// ALPN is the raw evidence of looking for acme-tls/1 at one address (ProbeTLS, Check "acme-tls/1";
// RFC 8737).
type ALPN struct {
	Name       string   `json:"name"`
	Address    string   `json:"address"`              // ip:port
	Family     string   `json:"family"`               // ip4 or ip6
	Negotiated string   `json:"negotiated,omitempty"` // protocol that the server chose; empty = none
	Chain      [][]byte `json:"chain,omitempty"`      // DER as sent to a client that offers acme-tls/1 only
	Error      string   `json:"error,omitempty"`
	ErrorClass string   `json:"errorClass,omitempty"`
	Alert      string   `json:"alert,omitempty"`      // the alert's text
	NoProtocol bool     `json:"noProtocol,omitempty"` // the alert is no_application_protocol (RFC 7301)
	Foreign    bool     `json:"foreign,omitempty"`    // it chose a protocol that was not offered (Apache falls back to http/1.1)

	SelfSigned bool     `json:"selfSigned,omitempty"` // the leaf's own key signed it
	Names      []string `json:"names,omitempty"`      // every subject alternative name, as text
	Extension  bool     `json:"extension,omitempty"`  // acmeIdentifier is there
	Critical   bool     `json:"critical,omitempty"`   // and critical
	Digest     []byte   `json:"digest,omitempty"`     // its content, 32 bytes if well formed
	BadDigest  bool     `json:"badDigest,omitempty"`  // its content is no OCTET STRING of 32 bytes
	Expect     []byte   `json:"expect,omitempty"`     // the digest that has to be there; nil = not known

	Normal      []byte `json:"normal,omitempty"`      // leaf of a usual handshake, DER
	NormalError string `json:"normalError,omitempty"` //
	Via         string `json:"via,omitempty"`         // headers of an HTTPS answer that show a proxy in front
}
