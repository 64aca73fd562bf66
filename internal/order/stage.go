package order

import "time"

// StageName is a part of the road.
type StageName string

// The path: six stages, in order.
const (
	StageOrder  StageName = "order"
	StageVerify StageName = "verify"
	StageIssue  StageName = "issue"
	StageStore  StageName = "store"
	StageDeploy StageName = "deploy"
	StageServe  StageName = "serve"
)

// Stages are all of them, in the order of the road.
var Stages = []StageName{StageOrder, StageVerify, StageIssue, StageStore, StageDeploy, StageServe}

// StageState is how a stage, or a row of it, stands.
type StageState string

// Stage states.
const (
	Done       StageState = "done"
	StateWait  StageState = "waiting"  // for whom (Owner), until when (Deadline): not a failure
	Blocked    StageState = "blocked"  // by another stage
	StateFail  StageState = "failed"   // Problem says why
	Disabled   StageState = "disabled" // by a person
	StateUnkno StageState = "unknown"  // not verifiable, because
	Absent     StageState = "absent"   // not part of this order
)

// Stage is one stage of the path as it stands now: what is, since when, who must act, by when.
type Stage struct {
	Stage    StageName  `json:"stage"`
	State    StageState `json:"state"`
	Version  int        `json:"version,omitempty"` // the version that this stage has reached
	Serial   string     `json:"serial,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"` // by when something must have happened
	Next     string     `json:"next,omitempty"`     // what happens next, in words
	NextAt   *time.Time `json:"nextAt,omitempty"`   // when
	Owner    string     `json:"owner,omitempty"`    // who must act next
	Problem  *Problem   `json:"problem,omitempty"`
	Rows     []Row      `json:"rows,omitempty"` // identifiers, key types, targets or endpoints, each for itself
}

// Row is one identifier, version, target or endpoint of a stage.
type Row struct {
	Name    string     `json:"name"`
	State   StageState `json:"state"`
	Version int        `json:"version,omitempty"`
	Serial  string     `json:"serial,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	NextAt  *time.Time `json:"nextAt,omitempty"`
	Text    string     `json:"text,omitempty"` // one line
	Problem *Problem   `json:"problem,omitempty"`
}

// Status is the App Service Certificates' CertificateOrderStatus.
type Status string

// All of them. Unused and NotSubmitted are never given by Certwright; clients know them.
const (
	Pendingissuance   Status = "Pendingissuance"
	Issued            Status = "Issued"
	StatusRevoked     Status = "Revoked"
	StatusCanceled    Status = "Canceled"
	Denied            Status = "Denied"
	Pendingrevocation Status = "Pendingrevocation"
	PendingRekey      Status = "PendingRekey"
	Unused            Status = "Unused"
	StatusExpired     Status = "Expired"
	NotSubmitted      Status = "NotSubmitted"
)

// Projection is what lists filter, sort and count by. It is computed from the facts by Project, written with
// every save and refreshed when its own time comes (Changes).
type Projection struct {
	Status  Status      `json:"status"`
	Vault   VaultStatus `json:"vaultStatus"`
	Stage   StageName   `json:"stage"` // the worst one, the first of equals on the road
	State   StageState  `json:"state"` // its state
	Owner   string      `json:"owner,omitempty"`
	Text    string      `json:"text,omitempty"`   // one line: what is wrong or what comes next
	Expires time.Time   `json:"expires,omitzero"` // of the current version; zero = none
	Serial  string      `json:"serial,omitempty"`
	Changes time.Time   `json:"changes,omitzero"` // when, with no event at all, it becomes another; zero = never

	Finding         string    `json:"finding,omitempty"` // id of the top finding of the last examination; empty = well, or none yet
	FindingLeg      string    `json:"findingLeg,omitempty"`
	FindingSeverity string    `json:"findingSeverity,omitempty"`
	FindingTitle    string    `json:"findingTitle,omitempty"`
	FindingSince    time.Time `json:"findingSince,omitzero"`
	Examine         time.Time `json:"examine,omitzero"` // when it is to be examined next; zero = never
}
