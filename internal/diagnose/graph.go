package diagnose

// node is one precondition of "a client accepts the current certificate for the name".
type node string

// The precondition graph, upstream first. A cause sits on the node whose failing it is.
const (
	nodeClock    node = "clock"
	nodeEgress   node = "egress"
	nodeResolver node = "resolver"
	nodeRenewal  node = "renewal"  // side input: the order wants a new version in time
	nodeCA       node = "ca"       // reachable, account usable
	nodeOrder    node = "order"    // acceptable to the authority
	nodeCAA      node = "caa"      //
	nodeDNS      node = "dns"      // the name resolves
	nodeVerify   node = "verify"   // the challenge is published, visible and valid
	nodeIssue    node = "issue"    // the certificate exists
	nodeVault    node = "vault"    // the vault takes it and has it
	nodeRead     node = "read"     // the target may read it
	nodeBinding  node = "binding"  // a site and a target are bound to it
	nodeFile     node = "file"     // the file that the server reads holds it
	nodeReload   node = "reload"   // the server was told
	nodeProcess  node = "process"  // the process uses it
	nodeListener node = "listener" // each address, family and server name serves it
	nodeTrust    node = "trust"    // the client accepts what is served
)

// graph gives each node its direct preconditions; Let x be upstream of y if y needs it.
var graph = []struct {
	node  node
	needs []node
}{
	{nodeClock, nil},
	{nodeEgress, nil},
	{nodeResolver, []node{nodeEgress}},
	{nodeRenewal, []node{nodeClock}},
	{nodeCA, []node{nodeResolver, nodeRenewal}},
	{nodeOrder, []node{nodeCA}},
	{nodeDNS, []node{nodeResolver}},
	{nodeCAA, []node{nodeOrder, nodeDNS}},
	{nodeVerify, []node{nodeCAA, nodeDNS}},
	{nodeIssue, []node{nodeVerify}},
	{nodeVault, []node{nodeIssue}},
	{nodeRead, []node{nodeVault}},
	{nodeBinding, []node{nodeVault}},
	{nodeFile, []node{nodeRead, nodeBinding}},
	{nodeReload, []node{nodeFile}},
	{nodeProcess, []node{nodeReload}},
	{nodeListener, []node{nodeProcess, nodeDNS}},
	{nodeTrust, []node{nodeListener}},
}

// position is the node's place in the topological order above.
func position(n node) int {
	for i := range graph {
		if graph[i].node == n {
			return i
		}
	}
	return len(graph)
}

// upstream says whether b needs a, directly or through others.
func upstream(a, b node) bool {
	for _, g := range graph {
		if g.node != b {
			continue
		}
		for _, n := range g.needs {
			if n == a || upstream(a, n) {
				return true
			}
		}
	}
	return false
}
