package issue

import "sync"

// fresh knows the orders that this very client has opened and of which nothing was asked since: their
// authorizations need not be read before they are asked for, which saves a request. Whatever a restart,
// another replica or a second try does goes the long way: it is read first. Finalising always is: only the
// authority knows whether somebody else has done it.
type fresh struct {
	mu     sync.Mutex
	orders map[string]bool // by URL
}

// maxFresh bounds what attempts that never come back leave behind; then all go the long way once.
const maxFresh = 4096

// open notes a new order.
func (f *fresh) open(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.orders == nil || len(f.orders) >= maxFresh {
		f.orders = map[string]bool{}
	}
	f.orders[url] = true
}

// take says whether an order is fresh; from then on it is not.
func (f *fresh) take(url string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	ok := f.orders[url]
	delete(f.orders, url)
	return ok
}
