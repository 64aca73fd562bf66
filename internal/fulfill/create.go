package fulfill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// Wish is a new order as its owner gives it: the names as words.
type Wish struct {
	order.Spec
	Words     []string // the names; Spec.Names is made of them
	CSR       string   // certificate request of whoever holds the key, as text; empty = the key is made here
	Duplicate bool     // allow another order for exactly these names at the same issuer
}

// DefaultVault is the vault of orders that name none.
const DefaultVault = "default"

// Create records a new order. Everything is checked before anything is stored; a *order.Refusal says
// what is wrong with the wish.
func (m *Mover) Create(ctx context.Context, by order.By, id order.ID, w Wish) (*order.Order, error) {
	spec, sites, err := m.checkNew(ctx, id, w)
	if err != nil {
		return nil, err
	}
	now := m.Now()
	o := order.Fresh(id, order.Ordered, spec, sites, now)
	for i := range o.Identifiers {
		o.Identifiers[i].Token = NewID()
	}
	return o, m.record(ctx, o, by.Created(o, now))
}

// anyGroup stands for a group that is not known yet; no group can have such a name.
const anyGroup = "?"

// Check says whether Create would take a wish, and records nothing. The id need not name a group.
func (m *Mover) Check(ctx context.Context, id order.ID, w Wish) error {
	if id.Group == "" {
		id.Group = anyGroup
	}
	_, _, err := m.checkNew(ctx, id, w)
	return err
}

func (m *Mover) checkNew(ctx context.Context, id order.ID, w Wish) (order.Spec, []site.Site, error) {
	req, err := w.requested(m.Now())
	if err != nil {
		return w.Spec, nil, err
	}
	spec := w.Spec
	sites, err := m.checkWish(ctx, id, &spec, w.Words)
	if err != nil {
		return spec, nil, err
	}
	if req != nil {
		if err := sameNamesAs(req, spec.Names, "Give the names that the request names, or none: then they are taken from it"); err != nil {
			return spec, nil, err
		}
	}
	if spec.Issuer == "" {
		spec.Issuer = order.BuiltinIssuer
	}
	if err := m.checkIssuer(ctx, &spec); err != nil {
		return spec, nil, err
	}
	if !w.Duplicate {
		err = m.checkDuplicate(ctx, id, &spec)
	}
	return spec, sites, err
}

// record writes a new order and sees that it is looked at.
func (m *Mover) record(ctx context.Context, o *order.Order, events ...order.Event) error {
	err := m.Store.CreateOrder(ctx, o, o.Project(o.Created), events)
	if errors.Is(err, ErrExists) {
		return &order.Refusal{Kind: order.Conflict, Code: "OrderExists", Property: "name", Message: fmt.Sprintf("an order named %s exists already", o.ID.Name), Fix: "Choose another name, or change that order"}
	}
	if err != nil {
		return fmt.Errorf("record order %s: %w", o.ID.Name, err)
	}
	m.Hinter.Hint(ctx, o.ID)
	return nil
}

// checkWish checks and completes what every kind of order has: id, names, key types, vault, sites.
func (m *Mover) checkWish(ctx context.Context, id order.ID, spec *order.Spec, words []string) ([]site.Site, error) {
	if err := id.Valid(); err != nil {
		return nil, &order.Refusal{Kind: order.BadInput, Code: "InvalidOrderName", Property: "name", Message: err.Error(), Fix: "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit"}
	}
	if err := m.checkScope(ctx, id); err != nil {
		return nil, err
	}
	var err error
	if spec.Names, err = parseNames(words, m.MaxNames); err != nil {
		return nil, err
	}
	if len(spec.KeyTypes) == 0 {
		spec.KeyTypes = []order.KeyType{order.P256}
	}
	for _, err := range []error{checkKeyTypes(spec), checkReuse(spec)} {
		if err != nil {
			return nil, err
		}
	}
	if err := checkNumbers(spec); err != nil {
		return nil, err
	}
	if err := m.checkVaultOf(ctx, spec); err != nil {
		return nil, err
	}
	if err := m.checkLinks(ctx, spec); err != nil {
		return nil, err
	}
	return m.checkSites(ctx, id, spec)
}

func (m *Mover) checkScope(ctx context.Context, id order.ID) error {
	now, thing := m.Now(), "group "+id.Subscription+"/"+id.Group
	if m.recent.well(thing, now) {
		return nil
	}
	state, err := m.Store.SubscriptionState(ctx, id.Subscription)
	if errors.Is(err, ErrNotFound) {
		return &order.Refusal{Kind: order.NotFound, Code: "SubscriptionNotFound", Property: "subscription", Message: fmt.Sprintf("there is no subscription %s", id.Subscription), Fix: "See those that there are at /subscriptions, or create it"}
	}
	if err != nil {
		return fmt.Errorf("read subscription %s: %w", id.Subscription, err)
	}
	if state != "Enabled" {
		return NotActive(id.Subscription, state)
	}
	if id.Group == anyGroup {
		return nil
	}
	ok, err := m.Store.GroupExists(ctx, id.Subscription, id.Group)
	if err != nil {
		return fmt.Errorf("read resource group %s: %w", id.Group, err)
	}
	if !ok {
		return &order.Refusal{Kind: order.NotFound, Code: "ResourceGroupNotFound", Property: "resourceGroup", Message: fmt.Sprintf("there is no resource group %s", id.Group), Fix: "Create it, or use the group " + order.DefaultGroup}
	}
	m.recent.found(thing, now)
	return nil
}

// checkNumbers: lengths of time and fractions that make sense, in seconds.
func checkNumbers(spec *order.Spec) error {
	const shortest, longest = time.Minute, 10 * 366 * 24 * time.Hour
	bad := func(property, message, fix string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "OutOfRange", Property: property, Message: message, Fix: fix}
	}
	if v := spec.Validity; v != 0 && (v < shortest || v > longest) {
		return bad("validity", fmt.Sprintf("%s is not between %s and ten years", v, shortest), "Give a length of time such as 2160h, or leave it away: then the issuer decides")
	}
	if f := spec.RenewAt; f < 0 || f >= 1 {
		return bad("renewAt", fmt.Sprintf("%g is not a fraction of life between 0 and 1", f), "Give a fraction such as 0.66, or leave it away")
	}
	if c := spec.Content; c != "" && c != secret.ContentPFX && c != secret.ContentPEM {
		return bad("contentType", fmt.Sprintf("%q is neither %s nor %s", c, secret.ContentPFX, secret.ContentPEM), "Give one of the two, or leave it away")
	}
	if spec.Secret != "" {
		if err := order.ValidName(spec.Secret); err != nil {
			return bad("secretName", err.Error(), "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit")
		}
	}
	return nil
}

func (m *Mover) checkVaultOf(ctx context.Context, spec *order.Spec) error {
	if spec.Vault == "" {
		spec.Vault = DefaultVault
	}
	if spec.Content == "" {
		spec.Content = secret.ContentPFX
	}
	now, thing := m.Now(), "vault "+spec.Vault
	if m.recent.well(thing, now) {
		return nil
	}
	if err := m.Vault.Exists(ctx, spec.Vault); err != nil {
		return &order.Refusal{Kind: order.Unsuitable, Code: "VaultNotUsable", Property: "vault", Message: err.Error(), Fix: "Use the vault " + DefaultVault}
	}
	m.recent.found(thing, now)
	return nil
}

// maxLinks is how many places besides its own an order is kept at.
const maxLinks = 20

func (m *Mover) checkLinks(ctx context.Context, spec *order.Spec) error {
	bad := func(l order.Link, message string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidLink", Property: "certificates." + l.Name, Message: message, Fix: "Give each link a name and a secret of its own, in a vault that there is"}
	}
	if len(spec.Links) > maxLinks {
		return &order.Refusal{Kind: order.BadInput, Code: "TooManyLinks", Property: "certificates", Message: fmt.Sprintf("%d links are too many: at most %d", len(spec.Links), maxLinks), Fix: "Take those away that are not needed"}
	}
	for i, l := range spec.Links {
		if err := order.ValidName(l.Name); err != nil {
			return bad(l, err.Error())
		}
		if err := order.ValidName(l.Secret); err != nil {
			return bad(l, "keyVaultSecretName "+err.Error())
		}
		for _, other := range spec.Links[:i] {
			if strings.EqualFold(other.Name, l.Name) || strings.EqualFold(other.Vault, l.Vault) && strings.EqualFold(other.Secret, l.Secret) {
				return bad(l, "another link has the same name, or the same secret of the same vault")
			}
		}
		if err := m.Vault.Exists(ctx, l.Vault); err != nil {
			return bad(l, err.Error())
		}
	}
	return nil
}

// checkSites loads the sites of a wish and checks that every target can be used from here.
func (m *Mover) checkSites(ctx context.Context, id order.ID, spec *order.Spec) ([]site.Site, error) {
	var sites []site.Site
	for _, name := range spec.Sites {
		s, err := m.Store.LoadSite(ctx, id.Subscription, id.Group, name)
		if errors.Is(err, ErrNotFound) {
			return nil, &order.Refusal{Kind: order.Unsuitable, Code: "SiteNotFound", Property: "sites", Message: fmt.Sprintf("there is no site %s", name), Fix: "Create it with: certwright site create " + name}
		}
		if err != nil {
			return nil, fmt.Errorf("read site %s: %w", name, err)
		}
		for _, t := range s.Targets {
			if err := m.checkTarget(spec, t); err != nil {
				return nil, err
			}
		}
		if err := m.checkTaken(ctx, id, spec, s); err != nil {
			return nil, err
		}
		sites = append(sites, *s)
	}
	for i := range spec.Endpoints {
		if err := checkEndpoint(&spec.Endpoints[i]); err != nil {
			return nil, err
		}
	}
	return sites, nil
}

// checkTaken refuses a target that another order deploys to: they would overwrite each other at every sync.
func (m *Mover) checkTaken(ctx context.Context, id order.ID, spec *order.Spec, s *site.Site) error {
	ids, err := m.Store.OrdersBySite(ctx, s.Subscription, s.Group, s.Name)
	if err != nil {
		return fmt.Errorf("list the orders of site %s: %w", s.Name, err)
	}
	mine := &order.Order{Spec: *spec}
	mine.Apply(m.Now(), order.Bound{Sites: []site.Site{*s}})
	for _, other := range ids {
		if other.Key() == id.Key() {
			continue
		}
		o, err := m.Store.LoadOrder(ctx, other)
		if err != nil || o.Ended() {
			continue
		}
		for i := range mine.Deployments {
			if d := o.Deployment(mine.Deployments[i].Key()); d != nil && !d.Gone {
				return &order.Refusal{Kind: order.Conflict, Code: "SiteTaken", Property: "sites", Message: fmt.Sprintf("order %s deploys to %s already: the two would overwrite each other's files", other.Name, d.Key()),
					Fix: "Make a site of its own for this order, or take the site off that one: certwright order update " + other.Name + " --site OTHER"}
			}
		}
	}
	return nil
}

func (m *Mover) checkTarget(spec *order.Spec, t site.Target) error {
	if err := m.Deployer.Check(t); err != nil {
		return unusable(order.Unsuitable, "TargetNotUsable", t, err)
	}
	if t.KeyType != "" && !slices.Contains(spec.KeyTypes, order.KeyType(t.KeyType)) {
		return &order.Refusal{Kind: order.Unsuitable, Code: "KeyTypeNotOrdered", Property: "targets", Message: fmt.Sprintf("target %s wants key type %s, the order has not", t.Name, t.KeyType),
			Fix: "Add it to keyTypes (--key-type " + t.KeyType + ")"}
	}
	return nil
}

// checkIssuer checks that the issuer exists and can issue for these names by this method.
func (m *Mover) checkIssuer(ctx context.Context, spec *order.Spec) error {
	_, traits, err := m.Authorities.Authority(ctx, spec.Issuer)
	if errors.Is(err, ErrNotFound) {
		return &order.Refusal{Kind: order.Unsuitable, Code: "IssuerNotFound", Property: "issuer", Message: fmt.Sprintf("there is no issuer %s", spec.Issuer), Fix: "See those that are there with: certwright issuer list; add it with: certwright issuer add " + spec.Issuer + " --directory URL"}
	}
	if err != nil {
		return fmt.Errorf("use issuer %s: %w", spec.Issuer, err)
	}
	refuse := func(code, message, fix string) error {
		return &order.Refusal{Kind: order.Unsuitable, Code: code, Property: "names", Message: message, Fix: fix}
	}
	for _, n := range spec.Names {
		wild := strings.HasPrefix(n.Value, "*.")
		if wild && spec.Method == order.MethodNone && !traits.Patient {
			spec.Method = order.MethodDNS01 // the only one that there is for it
		}
		if wild && (!traits.Wildcard || spec.Method == order.MethodHTTP01 || spec.Method == order.MethodHTML) {
			return refuse("WildcardNeedsDNS", fmt.Sprintf("%s cannot be verified by an HTTP method", n.Value), "Use --method dns-01, or name the hosts one by one")
		}
		if !traits.Internal && n.Kind == order.DNS && !strings.Contains(n.Value, ".") {
			return refuse("NameNotPublic", fmt.Sprintf("%s is no public name: issuer %s does not know it", n.Value, spec.Issuer), "Use the built-in issuer for internal names")
		}
	}
	if err := checkMethod(spec.Method, traits); err != nil {
		return err
	}
	return m.checkDNS(ctx, spec)
}

// checkDNS checks what is said of dns-01.
func (m *Mover) checkDNS(ctx context.Context, spec *order.Spec) error {
	if spec.Method != order.MethodDNS01 {
		if spec.DNSAccount != "" {
			return &order.Refusal{Kind: order.BadInput, Code: "DNSAccountNotSuitable", Property: "dnsAccount", Message: "a DNS account is for the method dns-01 alone", Fix: "Add --method dns-01, or leave the account out"}
		}
		return nil
	}
	for _, n := range spec.Names {
		if n.Kind == order.IP {
			return &order.Refusal{Kind: order.Unsuitable, Code: "MethodNotSuitable", Property: "names", Message: fmt.Sprintf("%s is an address, and dns-01 shows control of names only", n.Value), Fix: "Order it apart, by an HTTP method"}
		}
	}
	if spec.DNSAccount == "" {
		return nil
	}
	a, err := m.Store.LoadDNSAccount(ctx, spec.DNSAccount)
	if errors.Is(err, ErrNotFound) {
		return &order.Refusal{Kind: order.Unsuitable, Code: "DNSAccountNotFound", Property: "dnsAccount", Message: fmt.Sprintf("there is no DNS account %s", spec.DNSAccount), Fix: "See those that are there with: certwright dns-account list"}
	}
	if err != nil {
		return fmt.Errorf("read DNS account %s: %w", spec.DNSAccount, err)
	}
	spec.DNSAccount = a.Name
	return nil
}

// methodsOf are the methods that Certwright has for an issuer; the empty one stands for its default, which is the
// first after it.
func methodsOf(traits Traits) []order.Method {
	if traits.Patient {
		return []order.Method{order.MethodNone, order.MethodHTML, order.MethodTXT, order.MethodDNS01}
	}
	return []order.Method{order.MethodNone, order.MethodHTTP01, order.MethodDNS01}
}

func checkMethod(method order.Method, traits Traits) error {
	known := methodsOf(traits)
	if slices.Contains(known, method) {
		return nil
	}
	words := make([]string, 0, 3)
	for _, k := range known[1:] {
		words = append(words, string(k))
	}
	return &order.Refusal{Kind: order.Unsuitable, Code: "MethodNotSuitable", Property: "method", Message: fmt.Sprintf("method %q is not one of this issuer's", method), Fix: "Use " + strings.Join(words, " or ")}
}

// checkDuplicate refuses a second order for exactly the same names at the same issuer: they would renew
// against each other and use up the issuer's limits.
func (m *Mover) checkDuplicate(ctx context.Context, id order.ID, spec *order.Spec) error {
	var names []string
	for _, n := range spec.Names {
		names = append(names, n.Value)
	}
	ids, err := m.Store.OrdersByNames(ctx, names)
	if err != nil {
		return fmt.Errorf("look for orders of the same names: %w", err)
	}
	for _, other := range ids {
		if other.Key() == id.Key() {
			continue
		}
		o, err := m.Store.LoadOrder(ctx, other)
		if err != nil || o.Spec.Issuer != spec.Issuer || o.DeniedAt != nil || o.Canceled != nil || o.RevokedAt != nil {
			continue
		}
		return &order.Refusal{Kind: order.Conflict, Code: "DuplicateOrder", Property: "names", Message: fmt.Sprintf("order %s has exactly these names at the same issuer", other.Name),
			Fix: "Use that order, or pass --allow-duplicate (properties.allowDuplicate: true) if both are wanted"}
	}
	return nil
}

// NotActive refuses something new in a subscription that is not Enabled.
func NotActive(subscription, state string) error {
	return &order.Refusal{Kind: order.Conflict, Code: "SubscriptionNotActive", Property: "subscription", Message: fmt.Sprintf("subscription %s is %s", subscription, state), Fix: "Enable it first: certwright subscription enable " + subscription}
}
