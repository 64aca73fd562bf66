package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// orders is a client of certificate orders: what the clients differ in is how it is said.
type orders interface {
	operations(ctx context.Context) ([]string, error) // nothing from a client that has no such operation
	validate(ctx context.Context, w wish) error
	put(ctx context.Context, name string, w wish) error
	patch(ctx context.Context, name string, w wish) (order, error)
	get(ctx context.Context, name string) (order, error)
	remove(ctx context.Context, name string) error
	list(ctx context.Context, group string) ([]order, error)

	putLink(ctx context.Context, name, link, secret string) error
	patchLink(ctx context.Context, name, link, secret string) (link, error)
	getLink(ctx context.Context, name, link string) (link, error)
	removeLink(ctx context.Context, name, link string) error
	links(ctx context.Context, name string) ([]link, error)

	renew(ctx context.Context, name string) error
	reissue(ctx context.Context, name string, delay int) error
	verify(ctx context.Context, name string) error
	resend(ctx context.Context, name string) error
	resendFor(ctx context.Context, name, host string) error
	actions(ctx context.Context, name string) ([]string, error)
	mails(ctx context.Context, name string) ([]string, error)
	seal(ctx context.Context, name string) (string, error)
	detectors(ctx context.Context, name string) ([]detector, error)
	detector(ctx context.Context, name, id string, from, to time.Time) (detector, error)
}

// wish is what is asked for.
type wish struct {
	DN        string
	AutoRenew bool
	KeySize   int
	Tags      map[string]string
}

// order is one as a client gives it.
type order struct {
	ID, Name, Type, Location, Status, Provisioning, DN, Product, Token, Serial, Thumbprint, Issuer string
	KeySize, Years                                                                                 int
	AutoRenew, External                                                                            bool
	Tags, Links                                                                                    map[string]string // links: secret by name
	Issued, Expires                                                                                time.Time
}

// link is where an order is kept, as a client gives it.
type link struct{ ID, Name, Vault, Secret, State string }

// detector is one as a client gives it.
type detector struct {
	Name, ID, Status, Message string
	Tables                    []string
	Rows                      int
}

// refused is how a client says that a call was refused.
type refused struct {
	Status     int
	Code, Text string
}

func (r refused) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Text) }

// seen is what the driver of the test compares.
type seen struct {
	Operations, Actions, Mails   []string
	Created, Again, Got, Patched order
	All, Group, Many             []string
	Linked, Relinked             link
	Links                        []link
	First, Renewed, Shop         order
	Seal                         string
	Detectors                    []detector
	Detector, Waiting            detector
	Refused                      map[string]refused
}

// refuse notes how a call is refused; a call that is not is an error.
func (s *seen) refuse(what string, err error) error {
	var r refused
	if !errors.As(err, &r) {
		return fmt.Errorf("%s: it is not refused as it should be: %w", what, err)
	}
	s.Refused[what] = r
	return nil
}

// steps runs one after the other and stops at the first error.
func steps(list ...func() error) error {
	for i, f := range list {
		if err := f(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// to keeps what a call gives.
func to[T any](at *T, call func() (T, error)) func() error {
	return func() (err error) {
		*at, err = call()
		return err
	}
}

// walk uses every operation on two orders: one of its own, and the shop's.
func walk(ctx context.Context, c orders) (seen, error) {
	s := seen{Refused: map[string]refused{}}
	for _, part := range []struct {
		name string
		run  func(context.Context, orders, *seen) error
	}{{"a life", life}, {"links", linking}, {"mails", mailing}, {"the shop", shop}, {"diagnosis", diagnosing}, {"the end", end}} {
		if err := part.run(ctx, c, &s); err != nil {
			return s, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return s, nil
}

const own = "go-own"

func life(ctx context.Context, c orders, s *seen) error {
	w := wish{DN: "CN=go-own.example.com", AutoRenew: true, KeySize: 2048, Tags: map[string]string{"team": "web"}}
	bad := w
	bad.DN = "CN=no host name!"
	names := func(at *[]string, group string) func() error {
		return func() error {
			list, err := c.list(ctx, group)
			for _, o := range list {
				*at = append(*at, o.Name)
			}
			return err
		}
	}
	get := func() (order, error) { return c.get(ctx, own) }
	return steps(
		to(&s.Operations, func() ([]string, error) { return c.operations(ctx) }),
		func() error { return c.validate(ctx, w) },
		func() error { return s.refuse("validate", c.validate(ctx, bad)) },
		func() error { return c.put(ctx, own, w) }, to(&s.Created, get),
		func() error { return c.put(ctx, own, w) }, to(&s.Again, get),
		to(&s.Got, func() (order, error) { return c.get(ctx, "GO-OWN") }),
		names(&s.All, ""), names(&s.Group, "DEFAULT"), names(&s.Many, "many"),
		to(&s.Patched, func() (order, error) { return c.patch(ctx, own, wish{AutoRenew: false}) }),
		func() error { _, err := c.patch(ctx, own, wish{KeySize: 4096}); return s.refuse("change", err) },
		func() error { _, err := c.get(ctx, "nobody"); return s.refuse("unknown", err) },
	)
}

func linking(ctx context.Context, c orders, s *seen) error {
	return steps(
		func() error { return c.putLink(ctx, own, "link", "go-link") },
		to(&s.Linked, func() (link, error) { return c.getLink(ctx, own, "link") }),
		to(&s.Links, func() ([]link, error) { return c.links(ctx, own) }),
		to(&s.Relinked, func() (link, error) { return c.patchLink(ctx, own, "link", "go-other") }),
		func() error { return c.removeLink(ctx, own, "link") },
		func() error { return c.removeLink(ctx, own, "link") }, // 204: it is gone already
		func() error { _, err := c.getLink(ctx, own, "link"); return s.refuse("link", err) },
	)
}

func mailing(ctx context.Context, c orders, s *seen) error {
	return steps(
		func() error { return c.resend(ctx, own) },
		func() error { return c.resendFor(ctx, own, "go-own.example.com") },
		func() error { return s.refuse("name", c.resendFor(ctx, own, "other.example.com")) },
		to(&s.Mails, func() ([]string, error) { return c.mails(ctx, own) }),
		func() error { return c.verify(ctx, own) },
		func() error { _, err := c.seal(ctx, own); return s.refuse("seal", err) },
	)
}

// shop renews and reissues the order that is served, and waits for what comes of it.
func shop(ctx context.Context, c orders, s *seen) error {
	next := func(after order) func() (order, error) {
		return func() (order, error) {
			return until(ctx, func() (order, error) { return c.get(ctx, "shop") }, func(o order) bool { return o.Serial != after.Serial && o.Status == "Issued" })
		}
	}
	return steps(
		to(&s.First, next(order{})),
		func() error { return c.renew(ctx, "shop") },
		func() error { return to(&s.Renewed, next(s.First))() },
		func() error { return c.reissue(ctx, "shop", 2) },
		func() error { return to(&s.Shop, next(s.Renewed))() },
		func() error { return s.refuse("verify", c.verify(ctx, "shop")) },
		to(&s.Actions, func() ([]string, error) { return c.actions(ctx, "shop") }),
		to(&s.Seal, func() (string, error) { return c.seal(ctx, "shop") }),
	)
}

func diagnosing(ctx context.Context, c orders, s *seen) error {
	now := time.Now().UTC()
	return steps(
		to(&s.Detectors, func() ([]detector, error) { return c.detectors(ctx, "shop") }),
		to(&s.Detector, func() (detector, error) { return c.detector(ctx, "shop", "AutoRenewStatus", now.Add(-time.Hour), now) }),
		to(&s.Waiting, func() (detector, error) { return c.detector(ctx, own, "Diagnosis", now.Add(-time.Hour), now) }),
		func() error {
			_, err := c.detector(ctx, "shop", "NoSuchDetector", now, now)
			return s.refuse("detector", err)
		},
	)
}

func end(ctx context.Context, c orders, s *seen) error {
	return steps(
		func() error { return c.remove(ctx, own) },
		func() error { return c.remove(ctx, own) },
		func() error { _, err := c.get(ctx, own); return s.refuse("gone", err) },
		func() error { return s.refuse("bound", c.remove(ctx, "shop")) },
	)
}
