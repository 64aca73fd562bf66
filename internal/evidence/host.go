package evidence

import "time"

// Checks of Certwright's own host and machinery (ProbeHost) and what their Data is.
const (
	CheckReach    = "reach"    // Reached
	CheckClock    = "clock"    // Clock
	CheckDisk     = "disk"     // Disk
	CheckDatabase = "database" // Database
	CheckWork     = "work"     // Work
	CheckLimits   = "limits"   // Limits
)

// Reached is the raw evidence of connecting to a host for comparison: what else can be reached from here.
type Reached struct {
	Name       string `json:"name"`    // what a person calls it: "issuer staging", "endpoint 192.0.2.1:443"
	Address    string `json:"address"` // ip:port dialled, or the host where it could not be resolved
	Answered   bool   `json:"answered"`
	ErrorClass string `json:"errorClass,omitempty"` // as Served.ErrorClass
	Error      string `json:"error,omitempty"`
	Issuer     string `json:"issuer,omitempty"` // of its HTTPS certificate: the signer's distinguished name, where one was sent

	Date *time.Time    `json:"date,omitempty"`   // the Date header, where it was asked for
	Skew time.Duration `json:"skewNs,omitempty"` // Date minus our clock, whole seconds; positive = ours is behind
}

// Clock is the raw evidence of comparing our clock with those of others.
type Clock struct {
	Peers []ClockPeer `json:"peers"`
}

// ClockPeer is one other clock.
type ClockPeer struct {
	Name string        `json:"name"`   // "issuer pebble", "endpoint 192.0.2.1:443"
	Host string        `json:"host"`   // peers of one host count once
	Skew time.Duration `json:"skewNs"` // its clock minus ours; positive = ours is behind
}

// Disk is the raw evidence of the file system that the data directory lies on.
type Disk struct {
	Path     string `json:"path"`
	Free     int64  `json:"free"`  // bytes for an unprivileged user
	Total    int64  `json:"total"` // bytes
	Inodes   int64  `json:"inodes"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Database is the raw evidence of asking Certwright's database for an answer and writing to it.
type Database struct {
	Kind    string        `json:"kind"` // sqlite or postgres
	Answers bool          `json:"answers"`
	Writes  bool          `json:"writes"`
	Finding string        `json:"finding,omitempty"` // finding id of the failure: sys-db-down, -locked, -readonly, -full
	Error   string        `json:"error,omitempty"`
	Wait    time.Duration `json:"waitNs,omitempty"`  // how long the write took
	Blocker string        `json:"blocker,omitempty"` // who holds the lock, in words, where the database says so
	Have    int64         `json:"have,omitempty"`    // schema version
	Want    int64         `json:"want,omitempty"`    // schema version that this program needs
}

// Work is the raw evidence of how the machinery that moves orders stands.
type Work struct {
	Node       string        `json:"node"`
	LastSweep  *time.Time    `json:"lastSweep,omitempty"` // when this node last looked for due orders; nil = never
	SweepEvery time.Duration `json:"sweepEveryNs"`
	Lag        time.Duration `json:"lagNs"`              // for how long the longest due order waits
	Due        int64         `json:"due"`                // orders that are due now
	Held       int           `json:"held"`               // orders queued or running in this process
	Workers    int           `json:"workers"`            //
	Leader     string        `json:"leader,omitempty"`   // who leads the periodic jobs, or did last; empty = nobody ever
	LeaderLeft time.Duration `json:"leaderLeftNs"`       // for how long that holds; negative = it ended so long ago
	NoLeader   bool          `json:"noLeader,omitempty"` // whether anybody leads could not be read
	Error      string        `json:"error,omitempty"`    // of the last sweep
}

// Limits is the raw evidence of what the process may still open.
type Limits struct {
	Files    int `json:"files"`    // open file descriptors
	MaxFiles int `json:"maxFiles"` // soft limit
}
