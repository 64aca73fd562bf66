package order

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// EventStatus is how an operation stands (activity log: status.value).
type EventStatus string

// Event states.
const (
	Started   EventStatus = "Started"
	Succeeded EventStatus = "Succeeded"
	Failed    EventStatus = "Failed"
	Info      EventStatus = "Info" // a fact that is no operation's outcome, such as a transition seen on the wire
)

// Level is the weight of an event (activity log: level).
type Level string

// Levels.
const (
	Informational Level = "Informational"
	Warning       Level = "Warning"
	Error         Level = "Error"
	Critical      Level = "Critical"
)

// Event is one recorded fact of an order: what was done, by whom, with which result. The fields are
// the activity log's (Microsoft.Insights EventData). It holds no secret.
type Event struct {
	Seq         int64             `json:"seq"` // 1, 2, 3 ... within its order
	ID          string            `json:"id"`  // eventDataId: made of the order and Seq, so that a repeat is the same
	Order       ID                `json:"order"`
	At          time.Time         `json:"at"`
	Caller      string            `json:"caller"` // who: a token's name, or "certwright"
	Correlation string            `json:"correlationId"`
	Operation   string            `json:"operationName"` // e.g. Microsoft.CertificateRegistration/certificateOrders/renew/action
	Name        string            `json:"eventName"`     // short word of ours: "issued", "deployed", "look-changed"
	Stage       StageName         `json:"stage"`
	Status      EventStatus       `json:"status"`
	SubStatus   string            `json:"subStatus,omitempty"`
	Level       Level             `json:"level"`
	Text        string            `json:"description"` // one sentence for a person
	Properties  map[string]string `json:"properties,omitempty"`
	Prev        []byte            `json:"prev,omitempty"` // Hash of the event before it in the order
	Hash        []byte            `json:"hash,omitempty"` // see Chain
}

// Chain sets the event's place in its order's hash chain: Seq, Prev, ID and Hash, the SHA-256 over
// the previous hash and the event's own content.
func (e *Event) Chain(seq int64, prev []byte) {
	e.Seq, e.Prev = seq, prev
	e.clean()
	e.At = e.At.UTC().Truncate(time.Millisecond)
	e.ID = eventID(e.Order, seq)
	e.Hash = e.digest()
}

// clean makes the text what every database and JSON give back as it is: whole UTF-8 with no NUL. What a
// command or a server printed need not be that.
func (e *Event) clean() {
	e.Text, e.SubStatus, e.Caller, e.Correlation = cleaned(e.Text), cleaned(e.SubStatus), cleaned(e.Caller), cleaned(e.Correlation)
	if e.Properties == nil {
		return
	}
	properties := make(map[string]string, len(e.Properties))
	for k, v := range e.Properties {
		properties[cleaned(k)] = cleaned(v)
	}
	e.Properties = properties
}

func cleaned(s string) string {
	const instead = "\uFFFD"
	return strings.ReplaceAll(strings.ToValidUTF8(s, instead), "\x00", instead)
}

// VerifyChain checks events of one order, oldest first, against the hash before the first of them.
func VerifyChain(prev []byte, events []Event) error {
	for i := range events {
		e := events[i]
		if !bytes.Equal(e.Prev, prev) {
			return fmt.Errorf("event %d of %s: does not follow the one before it", e.Seq, e.Order.Name)
		}
		if !bytes.Equal(e.Hash, e.digest()) {
			return fmt.Errorf("event %d of %s: its content was changed after it was recorded", e.Seq, e.Order.Name)
		}
		prev = e.Hash
	}
	return nil
}

// digest hashes the content. Properties are a map: encoding/json sorts its keys.
func (e Event) digest() []byte {
	e.Hash = nil
	b, err := json.Marshal(e)
	if err != nil {
		panic("order: an event must be JSON: " + err.Error())
	}
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(e.Prev)))
	h.Write(n[:])
	h.Write(e.Prev)
	h.Write(b)
	return h.Sum(nil)
}

// eventID is a UUID (version 8, RFC 9562) made of the order and the number.
func eventID(id ID, seq int64) string {
	h := sha256.Sum256([]byte(fmt.Sprintf("%s#%d", id.Key(), seq)))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
