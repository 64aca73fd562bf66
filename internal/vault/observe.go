package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Checks of a vault observation.
const (
	CheckSerial  = "serial"      // the newest enabled version holds the serial that is expected
	CheckDeleted = "deleted"     // the secret is there and not soft-deleted
	CheckEnabled = "enabled"     // the version may be used now: enabled, and within its nbf and exp attributes
	CheckKind    = "object-kind" // the value is a certificate, and its content type says so
	CheckPair    = "pair"        // the key in it belongs to the leaf
	CheckChain   = "chain"       // it holds more than the leaf
)

// looked is what one look at a secret came to.
type looked struct {
	evidence.Stored
	disabledNewer bool // the newest version is disabled; an older one is given out
	err           error
	parse         error
}

// ObserveSecret looks at a secret: whether it is there, may be used, is a certificate whose key fits, and
// holds the serial (empty = any). It never judges; every observation carries an evidence.Stored.
func (b *Builtin) ObserveSecret(ctx context.Context, vault, name, serial string) []evidence.Observation {
	start := b.now()
	l := b.look(ctx, vault, name)
	b.around(ctx, &l, serial)
	subject := place(vault, name, "")
	obs := func(check string, o evidence.Outcome, expected, seen, reason string) evidence.Observation {
		return evidence.Observation{Probe: evidence.ProbeVault, Check: check, Subject: subject, Outcome: o, Expected: expected, Seen: seen,
			Reason: reason, From: "server", At: start, Took: b.now().Sub(start), Command: "certwright vault list " + name}.With(l.Stored)
	}
	out := []evidence.Observation{b.deletedObs(l, obs)}
	if l.Version == "" {
		return append(out, obs(CheckSerial, absentOutcome(l.err), orAny(serial), "", l.Error))
	}
	out = append(out, b.enabledObs(l, obs))
	if l.err == nil && l.parse == nil {
		out = append(out, obs(CheckKind, evidence.Pass, "certificate", l.Kind, ""), pairObs(l, obs), chainObs(l, obs))
	} else if l.parse != nil {
		out = append(out, obs(CheckKind, evidence.Fail, "certificate", "content type "+orNone(l.ContentType), l.Error))
	}
	return append(out, serialObs(l, serial, obs))
}

type observer func(check string, o evidence.Outcome, expected, seen, reason string) evidence.Observation

// deletedObs says whether the secret is there.
func (b *Builtin) deletedObs(l looked, obs observer) evidence.Observation {
	switch {
	case l.Deleted != nil:
		return obs(CheckDeleted, evidence.Fail, "present", "soft-deleted", l.Error)
	case l.Version != "":
		return obs(CheckDeleted, evidence.Pass, "present", "present", "")
	case absentOutcome(l.err) == evidence.Fail:
		return obs(CheckDeleted, evidence.Fail, "present", "absent", l.Error)
	}
	return obs(CheckDeleted, evidence.Unknown, "present", "", l.Error)
}

// enabledObs says whether the version's attributes allow its use now.
func (b *Builtin) enabledObs(l looked, obs observer) evidence.Observation {
	now := b.now()
	switch {
	case !l.Enabled:
		return obs(CheckEnabled, evidence.Fail, "enabled", "disabled", "its attribute enabled is false")
	case l.NotBefore != nil && now.Before(*l.NotBefore):
		return obs(CheckEnabled, evidence.Fail, "enabled", "nbf in the future", "its attribute nbf is "+l.NotBefore.UTC().Format("2006-01-02T15:04:05Z"))
	case l.Expires != nil && !now.Before(*l.Expires):
		return obs(CheckEnabled, evidence.Fail, "enabled", "exp in the past", "its attribute exp is "+l.Expires.UTC().Format("2006-01-02T15:04:05Z"))
	case l.disabledNewer:
		return obs(CheckEnabled, evidence.Pass, "enabled", "enabled", "the newest version is disabled; this is the newest enabled one")
	}
	return obs(CheckEnabled, evidence.Pass, "enabled", "enabled", "")
}

func pairObs(l looked, obs observer) evidence.Observation {
	switch l.KeyMatch {
	case 0:
		return obs(CheckPair, evidence.Pass, "key of the leaf", "key of the leaf", "")
	case -1:
		return obs(CheckPair, evidence.Fail, "key of the leaf", "a key that fits no certificate in it", "")
	}
	return obs(CheckPair, evidence.Fail, "key of the leaf", fmt.Sprintf("the key of certificate %d", l.KeyMatch+1), "the leaf is not the first certificate in it")
}

func chainObs(l looked, obs observer) evidence.Observation {
	if len(l.Serials) > 1 {
		return obs(CheckChain, evidence.Pass, "leaf and intermediates", fmt.Sprintf("%d certificates", len(l.Serials)), "")
	}
	// Only a leaf that signed itself, or whose issuer is a root, is whole without a chain: that is judged elsewhere.
	return obs(CheckChain, evidence.Unknown, "leaf and intermediates", "1 certificate", "the leaf may need an intermediate that is not in it")
}

func serialObs(l looked, serial string, obs observer) evidence.Observation {
	seen := ""
	if len(l.Serials) > 0 {
		seen = l.Serials[0]
	}
	switch {
	case seen == "":
		return obs(CheckSerial, evidence.Fail, orAny(serial), "", l.Error)
	case serial == "" || strings.EqualFold(seen, serial):
		return obs(CheckSerial, evidence.Pass, orAny(serial), seen, "")
	}
	return obs(CheckSerial, evidence.Fail, serial, seen, "written by "+orNone(l.Author))
}

// look reads the secret and takes its value apart. The value stays in here.
func (b *Builtin) look(ctx context.Context, vault, name string) looked {
	l := looked{Stored: evidence.Stored{Vault: vault, Name: name, KeyMatch: -2}}
	if err := b.lookAtVault(ctx, &l); err != nil {
		l.failed(b.problem("look at the vault", place(vault, name, ""), err))
		return l
	}
	row, err := b.row(ctx, vault, name, "")
	if err == nil && !row.Attributes.Enabled {
		if older, oerr := b.newestEnabled(ctx, vault, name); oerr == nil {
			row, l.disabledNewer = older, true
		}
	}
	if err != nil {
		l.failed(b.problem("look at the secret", place(vault, name, ""), err))
		l.deletion(b, ctx, err)
		return l
	}
	l.Object = row.Certificate != nil
	l.Version, l.Author, l.ContentType, l.Created = row.ID, row.Author, row.ContentType, row.Attributes.Created
	l.Enabled, l.NotBefore, l.Expires = row.Attributes.Enabled, row.Attributes.NotBefore, row.Attributes.Expires
	v, err := b.open(row)
	if err != nil {
		l.failed(b.problem("open the secret", place(vault, name, row.ID), err))
		return l
	}
	defer v.Value.Wipe()
	l.Form = formOf(v.Value)
	p, err := decode(v.Value, v.ContentType)
	l.Locked = errors.Is(err, errLocked)
	if err != nil {
		l.Kind, l.parse = "secret", err
		l.failed(b.unreadable("read the secret as a certificate", place(vault, name, row.ID), v, err))
		l.err = nil
		return l
	}
	l.Kind, l.KeyMatch, l.Issues = "certificate", -1, leads(p.chain)
	for i, c := range p.chain {
		l.Serials = append(l.Serials, order.SerialOf(c))
		if l.KeyMatch == -1 && sameKey(p.key, c.PublicKey) {
			l.KeyMatch = i
		}
	}
	return l
}

// failed keeps what went wrong in the words of a problem.
func (l *looked) failed(err error) {
	l.err, l.Error = err, err.Error()
	var p *order.Problem
	if errors.As(err, &p) {
		l.Error, l.Finding = p.Detail, p.ID
	}
}

// deletion adds when a soft-deleted secret was deleted, from the list of those.
func (l *looked) deletion(b *Builtin, ctx context.Context, err error) {
	if !errors.Is(err, secret.ErrDeleted) {
		return
	}
	at := b.now()
	l.Deleted = &at // at the latest: the list may not have it any more
	for after := ""; ; {
		page, err := b.rows.ListDeleted(ctx, l.Vault, after, page)
		if err != nil || len(page) == 0 {
			return
		}
		for _, i := range page {
			if strings.EqualFold(i.Name, l.Name) && i.Deleted != nil {
				l.Deleted, l.Purge = &i.Deleted.At, &i.Deleted.Purge
				return
			}
		}
		after = page[len(page)-1].Name
	}
}

// absentOutcome: a secret or vault that is not there is a FAIL; a look that could not be made is UNKNOWN.
func absentOutcome(err error) evidence.Outcome {
	for _, known := range []error{secret.ErrNotFound, secret.ErrDeleted, secret.ErrNoVault} {
		if errors.Is(err, known) {
			return evidence.Fail
		}
	}
	return evidence.Unknown
}

func orAny(serial string) string {
	if serial == "" {
		return "any"
	}
	return serial
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
