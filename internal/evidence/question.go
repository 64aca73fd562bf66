package evidence

import (
	"cmp"
	"time"
)

// CheckQuestion is the Check of an observation that stands in for a question that was not answered (Reason says why); its
// Data is the Question.
const CheckQuestion = "question"

// What a Question can ask for. These looks are left out of the first round: they cost time, or bother whoever is looked at.
const (
	AskAgents = "by-agent" // the challenge path as several programs, each more than once: Answer Agents
	AskAgain  = "again"    // the same handshakes again, one after the other and mixed: Answer Again
	AskTest   = "test"     // the server's own test of its configuration: Answer ConfigTest
)

// Question is a further look that would tell causes apart which remain.
type Question struct {
	What string        `json:"what"` // one of the Ask words
	Cost time.Duration `json:"costNs"`
	// About, as far as it is about such things.
	Name    string  `json:"name,omitempty"`
	Address string  `json:"address,omitempty"` // ip:port
	Token   string  `json:"token,omitempty"`   // of a challenge path: the one asked for before
	Target  string  `json:"target,omitempty"`
	Offers  []Offer `json:"offers,omitempty"`
	Why     string  `json:"why"` // what it would tell apart, in words
}

// Offer is what a client sends in a handshake, as Served has it.
type Offer struct {
	ServerName string `json:"serverName,omitempty"`
	Offered    string `json:"offered"`
	StartTLS   string `json:"startTls,omitempty"`
}

// Key tells questions apart.
func (q Question) Key() string {
	return q.What + "|" + q.Name + "|" + q.Address + "|" + q.Target
}

// About names what the question is about, for a person.
func (q Question) About() string { return cmp.Or(q.Address, q.Target, q.Name) }

// AgentTries is how many requests the question AskAgents takes.
const AgentTries = 14

// Agents is what a challenge path answered to several programs, in the order asked: no two alternate, so that nodes behind the
// address that take turns show as such (ProbeHTTP, Check AskAgents).
type Agents struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	Path    string    `json:"path"`
	Tries   []Fetched `json:"tries"`
}

// Again is what the same handshakes brought when they were made again (ProbeTLS, Check AskAgain).
type Again struct {
	Address string   `json:"address"`
	Served  []Served `json:"served"`
}
