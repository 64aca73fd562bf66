package server

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"certwright/internal/order"
)

// tags: what is tagged is found by its tags, and a group shows what lies in it alone.
func (z *cli) tags(t *testing.T) {
	var group shown
	z.az(t, &group, "group", "create", "--name", "far", "--location", "global", "--tags", "team=web")
	var tagged map[string]string
	z.az(t, &tagged, "resource", "update", "--ids", z.id.String(), "--set", "tags.team=web", "--query", "tags")
	var groups, found, within []string
	z.az(t, &groups, "group", "list", "--tag", "team=web", "--query", "[].name")
	z.az(t, &found, "resource", "list", "--tag", "team=web", "--query", "[].id")
	z.az(t, &within, "resource", "list", "--resource-group", "far", "--query", "[].id")
	if group.Tags["team"] != "web" || tagged["team"] != "web" || z.load(z.id).Spec.Tags["team"] != "web" || strings.Join(groups, " ") != "far" || strings.Join(found, " ") != z.id.String() || len(within) > 0 {
		t.Errorf("made %+v, tagged %v; groups %v, resources %v; in the new group %v", group, tagged, groups, found, within)
	}
	z.az(t, nil, "group", "delete", "--name", "far", "--yes")
}

// certificateLife: a certificate is created, imported, deleted and restored in a vault.
func (z *cli) certificateLife(t *testing.T) {
	in := []string{"--vault-name", "kv-az", "--name", "self"}
	var status string
	policy := `{"issuerParameters":{"name":"Self"},"keyProperties":{"keyType":"EC","curve":"P-256"},"x509CertificateProperties":{"subject":"CN=az.example.com","validityInMonths":6}}`
	for range 2 {
		z.az(t, &status, append([]string{"keyvault", "certificate", "create", "--policy", policy, "--query", "status"}, in...)...)
	}
	var versions, names []string
	z.az(t, &versions, append([]string{"keyvault", "certificate", "list-versions", "--query", "[].id"}, in...)...)
	if status != "completed" || len(versions) != 2 || versions[0] == versions[1] {
		t.Errorf("created: %s, %v", status, versions)
	}
	pem := filepath.Join(z.work, "own.pem")
	if out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=own.example.com", "-days", "30", "-keyout", pem, "-out", pem+".crt").CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v %s", err, out)
	}
	if out, err := exec.Command("sh", "-c", "cat "+pem+".crt >> "+pem).CombinedOutput(); err != nil {
		t.Fatal(err, out)
	}
	var imported struct {
		Policy struct{ X509CertificateProperties struct{ Subject string } }
	}
	z.az(t, &imported, "keyvault", "certificate", "import", "--vault-name", "kv-az", "--name", "own", "--file", "own.pem")
	z.az(t, nil, append([]string{"keyvault", "certificate", "backup", "--file", "self.backup"}, in...)...)
	z.az(t, &status, append([]string{"keyvault", "certificate", "delete", "--query", "name"}, in...)...)
	z.az(t, nil, append([]string{"keyvault", "certificate", "purge"}, in...)...)
	z.az(t, &status, "keyvault", "certificate", "restore", "--vault-name", "kv-az", "--file", "self.backup", "--query", "name")
	z.az(t, &names, "keyvault", "certificate", "list", "--vault-name", "kv-az", "--query", "[].name")
	if imported.Policy.X509CertificateProperties.Subject != "CN=own.example.com" || status != "self" || strings.Join(names, " ") != "own self" {
		t.Errorf("imported %+v, restored %s, there are %v", imported, status, names)
	}
}

// web: a site's certificate is imported from the vault, bound, and taken away again.
func (z *cli) web(t *testing.T) {
	at := []string{"--resource-group", "default"}
	var imported struct{ Name, Thumbprint string }
	z.az(t, &imported, append([]string{"webapp", "config", "ssl", "import", "--name", "shop", "--key-vault", "default", "--key-vault-certificate-name", "shop", "--certificate-name", "by-az"}, at...)...)
	v := z.load(z.id).First()
	var listed []string
	z.az(t, &listed, append([]string{"webapp", "config", "ssl", "list", "--query", "[].thumbprint"}, at...)...)
	if imported.Name != "by-az" || imported.Thumbprint != v.Thumbprint || strings.Join(listed, " ") != v.Thumbprint {
		t.Errorf("imported %+v, listed %v, the shop has %s", imported, listed, v.Thumbprint)
	}
	bound := func(do string, more ...string) *order.Order {
		var site struct{ Name string }
		z.az(t, &site, append(append([]string{"webapp", "config", "ssl", do, "--name", "shop", "--certificate-thumbprint", v.Thumbprint}, more...), at...)...)
		return z.load(z.id)
	}
	if o := bound("unbind"); len(o.Spec.Sites) != 0 {
		t.Errorf("unbound: %v", o.Spec.Sites)
	}
	if o := bound("bind", "--ssl-type", "SNI"); strings.Join(o.Spec.Sites, " ") != "shop" {
		t.Errorf("bound: %v", o.Spec.Sites)
	}
}
