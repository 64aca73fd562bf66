package evidence

import "time"

// ProbeTarget looks at what serves on this machine: who listens, which files the server's own
// configuration names, what its configuration test says, what it holds in memory.
const ProbeTarget = "target"

// Checks of a ProbeTarget observation; each carries the payload type of its name.
const (
	CheckListener = "listener"    // Listener
	CheckConfig   = "config"      // ServerConfig
	CheckRead     = "read"        // TargetFile
	CheckTest     = "config-test" // ConfigTest
	CheckMemory   = "memory"      // Memory
	CheckPlace    = "directory"   // Directory
)

// Listener is who accepts connections at an address of this machine.
type Listener struct {
	Target     string   `json:"target,omitempty"` // deployment that the look is for: "site/target"; empty = of none
	Address    string   `json:"address"`          // ip:port
	ServerName string   `json:"serverName,omitempty"`
	Masters    []Master `json:"masters"`
}

// Master is a server: one process with its children, which share its listening sockets.
type Master struct {
	PID      int       `json:"pid"`
	Name     string    `json:"name"`               // short name of the program, as the kernel has it
	Exe      string    `json:"exe,omitempty"`      // path of the program; empty = may not be seen
	Software string    `json:"software,omitempty"` // nginx, haproxy, apache, postgresql; empty = another
	User     string    `json:"user"`               // that it runs as
	Started  time.Time `json:"started"`
	// Loaded is when it last read its configuration and certificates, as far as processes show: servers
	// that start new workers on a reload, the youngest of them; PostgreSQL and others, the master's start.
	Loaded  time.Time `json:"loaded"`
	Renews  bool      `json:"renews"`            // a successful reload starts new workers, so Loaded is the time of the last one
	Workers []Worker  `json:"workers,omitempty"` // children
	Apart   bool      `json:"apart,omitempty"`   // it has a file system view of its own (a container, a chroot)
}

// Worker is a child of a Master.
type Worker struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Leaving bool      `json:"leaving,omitempty"` // it ends once its connections do; new ones go elsewhere
}

// ServerConfig is what a server's configuration says for one address and name.
type ServerConfig struct {
	Target     string    `json:"target,omitempty"`
	Address    string    `json:"address"`
	ServerName string    `json:"serverName,omitempty"`
	Software   string    `json:"software"`
	Files      []string  `json:"files"`           // configuration files that were read, in order
	Changed    time.Time `json:"changed"`         // of the one that was changed last
	Uses       []Use     `json:"uses,omitempty"`  // the certificates for the address; those for the name first
	Lists      []string  `json:"lists,omitempty"` // HAProxy: certificate lists in force at the address
	TLS        bool      `json:"tls"`             // a block at the address speaks TLS
	Error      string    `json:"error,omitempty"` // what of it could not be read
	Test       []string  `json:"test,omitempty"`  // the command by which the server itself tests it, where it may be asked (AskTest)
}

// Use is one certificate that a configuration names.
type Use struct {
	Certificate string   `json:"certificate"`     // path of the file, absolute
	Key         string   `json:"key"`             // path of the key's file; the same where one file holds both
	From        string   `json:"from"`            // where the configuration says so: file:line
	Names       []string `json:"names,omitempty"` // server names of the block or entry
	Chosen      bool     `json:"chosen"`          // it is what a client that asks for the name gets
	Named       bool     `json:"named"`           // because the name is configured, not for want of a better one
}

// TargetFile is one file of a target, or one that a server reads.
type TargetFile struct {
	Target   string       `json:"target,omitempty"`
	Path     string       `json:"path"`
	Role     string       `json:"role"` // certificate, key, combined, chain, fullchain, pfx
	Ours     bool         `json:"ours"` // the target's settings name it
	Read     bool         `json:"read"` // the server's configuration names it
	Exists   bool         `json:"exists"`
	Links    []string     `json:"links,omitempty"` // every symbolic link on the way: "a -> b"
	Real     string       `json:"real,omitempty"`  // path after all links
	Mode     string       `json:"mode,omitempty"`  // such as 0640
	Owner    string       `json:"owner,omitempty"`
	Group    string       `json:"group,omitempty"`
	Size     int64        `json:"size"`
	Modified time.Time    `json:"modified"`          // of the content, as its writer may set it
	Changed  time.Time    `json:"changed"`           // of the file as the kernel saw it: nobody can set it back
	Form     string       `json:"form,omitempty"`    // pem, der, pfx, empty, other
	Marks    []string     `json:"marks,omitempty"`   // harmless oddities: bom, crlf
	Damage   string       `json:"damage,omitempty"`  // where a PEM is cut or cannot be decoded
	Certs    []FileCert   `json:"certs,omitempty"`   // in order
	KeyHash  string       `json:"keyHash,omitempty"` // SHA-256 of the public half of the key in it, upper-case hexadecimal
	Locked   bool         `json:"locked,omitempty"`  // its key is encrypted with a pass phrase
	Readers  []FileReader `json:"readers,omitempty"` // whether the servers that are to read it may
	Error    string       `json:"error,omitempty"`   // why it could not be looked at
}

// FileCert is a certificate in a file.
type FileCert struct {
	Serial    string    `json:"serial"`  // upper-case hexadecimal
	KeyHash   string    `json:"keyHash"` // as TargetFile.KeyHash
	Subject   string    `json:"subject"`
	Names     []string  `json:"names,omitempty"` // DNS names and addresses
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	CA        bool      `json:"ca,omitempty"`
	OwnIssuer bool      `json:"ownIssuer,omitempty"` // issuer and subject are the same
}

// FileReader says whether a process may read a file, by owner, mode and the directories above it.
type FileReader struct {
	User string `json:"user"`
	May  string `json:"may"`           // yes, no or unknown
	Why  string `json:"why,omitempty"` // of a no: what forbids it
	// Again: at its start the program was another user, who may have read the file; told to reload, it reads as who it is
	// now, who may not.
	Again bool `json:"again,omitempty"`
}

// ConfigTest is a server's own test of its configuration.
type ConfigTest struct {
	Target   string      `json:"target,omitempty"`
	Address  string      `json:"address,omitempty"`
	Software string      `json:"software"`
	Argv     []string    `json:"argv"`
	Exit     int         `json:"exit"`
	Output   string      `json:"output,omitempty"`
	Faults   []TestFault `json:"faults,omitempty"`
}

// TestFault is one complaint of a configuration test.
type TestFault struct {
	At    string   `json:"at,omitempty"`    // file:line of the configuration
	Paths []string `json:"paths,omitempty"` // other files that it names
	Text  string   `json:"text"`
}

// Memory is what a server holds in memory and tells of itself (HAProxy's runtime socket).
type Memory struct {
	Target  string     `json:"target,omitempty"`
	Address string     `json:"address,omitempty"`
	Socket  string     `json:"socket"`
	Certs   []HeldCert `json:"certs"`
}

// HeldCert is one certificate in a server's memory.
type HeldCert struct {
	File   string `json:"file"`             // the name under which it was loaded: a path
	Serial string `json:"serial,omitempty"` // upper-case hexadecimal
	Status string `json:"status,omitempty"` // used, unused, empty, as the server says
	Open   bool   `json:"open,omitempty"`   // it stands in a transaction that nobody committed
}

// Directory is a place where a target's files are written.
type Directory struct {
	Target   string `json:"target,omitempty"`
	Path     string `json:"path"`
	ReadOnly bool   `json:"readOnly"` // the file system is mounted so
	Writable bool   `json:"writable"` // by the user that looks
	User     string `json:"user"`     // who looked
	Mode     string `json:"mode,omitempty"`
	Owner    string `json:"owner,omitempty"`
	Free     int64  `json:"free"`      // bytes that this user may still write
	FreeNode int64  `json:"freeNodes"` // files that may still be made; -1 = no such limit
	Error    string `json:"error,omitempty"`
}
