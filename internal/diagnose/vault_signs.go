package diagnose

import (
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Signs of a secret in a vault (perVault).
const (
	vNoVault   sign = "the-vault-is-not-there"
	vAbsent    sign = "the-secret-is-not-in-the-vault"
	vElsewhere sign = "another-secret-of-the-vault-holds-the-certificate"
	vDeleted   sign = "the-secret-is-soft-deleted"
	vDisabled  sign = "the-current-version-is-disabled"
	vEnded     sign = "the-version's-exp-attribute-is-past-while-its-certificate-is-valid"
	vNotYet    sign = "the-version's-nbf-attribute-lies-ahead-while-its-certificate-is-valid"
	vType      sign = "the-content-type-contradicts-the-value"
	vPlain     sign = "the-value-is-a-certificate-stored-as-a-plain-secret"
	vLocked    sign = "the-value-is-a-PKCS12-with-a-password"
	vCorrupt   sign = "the-value-cannot-be-read-as-what-it-is"
	vNoKEK     sign = "the-key-encryption-key-of-the-value-is-not-configured"
	vMismatch  sign = "the-key-in-the-value-is-not-the-leaf's"
	vShort     sign = "the-value-lacks-the-intermediates-that-the-authority-gave"
	vForeign   sign = "the-newest-version-holds-a-serial-that-is-not-the-order's-current-one"
	vSwitched  sign = "rights-are-there-in-the-permission-model-that-the-vault-has-no-more"
	vNoSet     sign = "who-stores-orders-may-not-set-secrets-in-the-vault"
	vNoGet     sign = "who-reads-for-targets-may-not-get-secrets-of-the-vault"
	vStranger  sign = "the-newest-version-was-not-written-by-Certwright"
)

// vaultScopes makes a scope of each secret that was looked at.
func (j *judge) vaultScopes() []*scope {
	var out []*scope
	seen := map[string]bool{}
	list, from := payloads[evidence.Stored](j.obs, evidence.ProbeVault)
	for i, v := range list {
		key := strings.ToLower(v.Vault + "/" + v.Name)
		if seen[key] || v.Name == "" {
			continue
		}
		seen[key] = true
		s := newScope(perVault, "vault "+key, v.Vault+"/"+v.Name)
		s.vars["order"], s.vars["vault"], s.vars["secret"] = j.target, v.Vault, v.Name
		ref := refOf(from[i])
		if ref.Command == "" {
			ref.Command = "certwright vault list " + quote(v.Name)
		}
		j.presenceSigns(s, v, ref)
		rightSigns(s, v, ref)
		j.attributeSigns(s, v, ref)
		valueSigns(s, v, ref)
		j.writerSigns(s, v, ref)
		out = append(out, s)
	}
	return out
}

// rightSigns are what Certwright's own principals may do in the vault.
func rightSigns(s *scope, v evidence.Stored, ref EvidenceRef) {
	s.vars["storer"], s.vars["reader"] = secret.Storer.Name+" ("+secret.Storer.ID+")", secret.Fetcher.Name+" ("+secret.Fetcher.ID+")"
	r := v.Rights
	if r == nil {
		for _, x := range []sign{vSwitched, vNoSet, vNoGet} {
			s.unknown(x, "who may do what in the vault was not seen")
		}
		return
	}
	s.vars["model"], s.vars["other"] = "roles", "access policies"
	if r.ByPolicy {
		s.vars["model"], s.vars["other"] = "access policies", "roles"
	}
	ref.Command = "certwright vault show --vault " + quote(v.Vault)
	s.set(vSwitched, r.Switched, saw(ref, "rights in the model that the vault has", "rights in the other model alone: "+s.vars["other"]))
	s.set(vNoSet, !r.Store, saw(ref, s.vars["storer"]+" may set secrets", "it may not"))
	s.set(vNoGet, !r.Read, saw(ref, s.vars["reader"]+" may get secrets", "it may not"))
}

// saw gives the reference other words for what was seen.
func saw(ref EvidenceRef, expected, seen string) EvidenceRef {
	ref.Expected, ref.Seen = expected, seen
	return ref
}

// presenceSigns are whether vault and secret are there.
func (j *judge) presenceSigns(s *scope, v evidence.Stored, ref EvidenceRef) {
	s.vars["elsewhere"], s.vars["deleted"], s.vars["purge"] = listed(v.Elsewhere), "", "at a time that was not seen"
	s.set(vNoVault, v.Finding == "vault-not-found", saw(ref, "vault "+v.Vault, "no such vault"))
	s.vars["gone"], s.vars["lost"] = "", "The vault was deleted or renamed, or the order names another."
	s.vars["mend"], s.vars["mendcommand"] = "Assign a vault that exists to the order (or make this one again), then store.", "certwright order update "+quote(j.target)+" --vault default"
	if v.VaultGone != nil {
		s.vars["gone"] = ": it was deleted " + day(*v.VaultGone) + " UTC"
		s.vars["lost"] = "The vault is soft-deleted with all that it holds; it is purged at " + day(*v.VaultPurge) + " UTC."
		s.vars["mend"], s.vars["mendcommand"] = "Recover the vault, with all that it held; the order heals by itself then.", "certwright vault recover --vault "+quote(v.Vault)
	}
	s.set(vDeleted, v.Deleted != nil, saw(ref, "present", "soft-deleted"))
	if v.Deleted != nil {
		s.vars["deleted"] = day(*v.Deleted) + " UTC"
	}
	if v.Purge != nil {
		s.vars["purge"] = "at " + day(*v.Purge) + " UTC"
	}
	s.set(vAbsent, v.Version == "" && v.Deleted == nil && v.Finding == "vault-secret-purged", saw(ref, "present", "absent, and not among the deleted"))
	s.set(vElsewhere, len(v.Elsewhere) > 0, saw(ref, "secret "+v.Name, "secret "+listed(v.Elsewhere)))
}

// attributeSigns are whether the current version may be used.
func (j *judge) attributeSigns(s *scope, v evidence.Stored, ref EvidenceRef) {
	s.vars["version"], s.vars["attribute"] = v.Version, ""
	disabled := v.Version != "" && !v.Enabled
	for _, cur := range j.currentIn(v) {
		for _, x := range v.Versions {
			if x.ID == cur.SecretID && !x.Enabled {
				disabled, s.vars["version"] = true, x.ID
			}
		}
	}
	s.set(vDisabled, disabled, saw(ref, "enabled", "version "+s.vars["version"]+" is disabled"))
	known := j.versionOf(first(v.Serials))
	valid := known != nil && j.now.After(known.NotBefore) && j.now.Before(known.NotAfter)
	ended := v.Expires != nil && !j.now.Before(*v.Expires)
	ahead := v.NotBefore != nil && j.now.Before(*v.NotBefore)
	if ended {
		s.vars["attribute"] = day(*v.Expires) + " UTC"
	} else if ahead {
		s.vars["attribute"] = day(*v.NotBefore) + " UTC"
	}
	s.set(vEnded, ended && valid, saw(ref, "exp in the future", "exp "+s.vars["attribute"]))
	s.set(vNotYet, ahead && valid, saw(ref, "nbf in the past", "nbf "+s.vars["attribute"]))
}

// currentIn are the order's current versions that the secret is to hold.
func (j *judge) currentIn(v evidence.Stored) []*order.Version {
	o := j.opts.Order
	if o == nil {
		return nil
	}
	var out []*order.Version
	for _, k := range o.Spec.KeyTypes {
		if cur := o.Current(k); cur != nil && strings.EqualFold(o.SecretFor(k), v.Name) {
			out = append(out, cur)
		}
	}
	return out
}

// Content types of a stored certificate, as Key Vault has them.
const (
	typePFX = "application/x-pkcs12"
	typePEM = "application/x-pem-file"
)

// valueSigns are what the value is, by its bytes and by its labels.
func valueSigns(s *scope, v evidence.Stored, ref EvidenceRef) {
	s.vars["type"], s.vars["form"] = v.ContentType, v.Form
	if v.ContentType == "" {
		s.vars["type"] = "none"
	}
	s.set(vNoKEK, v.Finding == "vault-dek-missing", saw(ref, "a value that opens", "sealed with a key-encryption key that is not configured"))
	if v.Version == "" || v.Form == "" {
		why := "the value was not opened"
		for _, x := range []sign{vType, vPlain, vLocked, vMismatch, vShort} {
			s.unknown(x, why)
		}
		s.set(vCorrupt, v.Finding == "vault-corrupt", saw(ref, "a value that opens", "it was changed since it was sealed"))
		return
	}
	labelled := v.ContentType == typePFX || v.ContentType == typePEM
	certificate := v.Form == "pem" || v.Form == "pkcs12" || v.Form == "der"
	contrary := labelled && (v.ContentType == typePFX && v.Form == "pem" || v.ContentType == typePEM && (v.Form == "pkcs12" || v.Form == "der"))
	s.set(vType, contrary, saw(ref, v.ContentType, "bytes of "+v.Form))
	s.set(vPlain, !labelled && certificate, saw(ref, "a certificate object", "a plain secret, content type "+s.vars["type"]+", whose value is "+v.Form))
	s.set(vLocked, v.Locked, saw(ref, "no password", "the integrity check fails without one"))
	s.set(vCorrupt, !contrary && !v.Locked && (labelled || !certificate) && len(v.Serials) == 0, saw(ref, "a certificate with its key", v.Form+": "+v.Error))
	if len(v.Serials) == 0 {
		s.unknown(vMismatch, "the value could not be taken apart")
		s.unknown(vShort, "the value could not be taken apart")
		return
	}
	s.set(vMismatch, v.KeyMatch != 0 && v.KeyMatch != -2, saw(ref, "the key of serial "+v.Serials[0], "another key"))
}

// writerSigns hold the newest version against what the order knows: whose it is, and whether it is whole.
func (j *judge) writerSigns(s *scope, v evidence.Stored, ref EvidenceRef) {
	s.vars["author"], s.vars["serial"], s.vars["current"], s.vars["chain"] = orAnything(v.Author), first(v.Serials), "", "0"
	s.vars["serialwords"] = "another certificate"
	current := j.currentIn(v)
	if len(current) == 0 || v.Version == "" {
		s.unknown(vForeign, "which version the order expects is not known")
		s.unknown(vStranger, "which version the order expects is not known")
		return
	}
	cur := current[0]
	s.vars["current"], s.vars["serialwords"] = cur.Serial, "serial "+s.vars["serial"]
	if s.vars["serial"] == "" {
		s.vars["serialwords"] = "what is no certificate"
	}
	known := slices.ContainsFunc(v.Versions, func(x evidence.StoredVersion) bool { return x.ID == cur.SecretID })
	other := v.Version != cur.SecretID && known && v.Created.After(cur.Issued.Add(-time.Minute)) && !strings.EqualFold(first(v.Serials), cur.Serial)
	s.set(vForeign, other, saw(ref, "serial "+cur.Serial, "serial "+orAnything(first(v.Serials))+" in version "+v.Version))
	s.set(vStranger, v.Author != order.OwnerUs, saw(ref, "written by "+order.OwnerUs, "written by "+orAnything(v.Author)))
	if len(v.Serials) > 0 && v.Form != "" {
		whole := intermediates(cur)
		s.vars["chain"] = itoa(whole)
		short := len(v.Serials) == 1 && whole > 0 && strings.EqualFold(v.Serials[0], cur.Serial)
		s.set(vShort, short, saw(ref, "the leaf and "+itoa(whole)+" more", "1 certificate"))
	}
}

func orAnything(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
