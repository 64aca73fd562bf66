package probe

import (
	"crypto/tls"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A server that insists on a group which current clients lack is told from one with other ciphers, and the group is named.
func TestGroupsOfServers(t *testing.T) {
	t.Parallel()
	ec, rs := pair(t)
	dir := t.TempDir()
	e, r := writePEM(t, dir, "ec", ec), writePEM(t, dir, "rsa", rs)
	odd := filepath.Join(dir, "odd.pem")
	if out, err := exec.Command(need(t, "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1", "-nodes", "-keyout", odd+".key", "-out", odd+".crt",
		"-subj", "/CN=www.example.test").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command("sh", "-c", "cat "+odd+".crt "+odd+".key >"+odd).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for _, c := range []struct {
		file   string
		args   []string
		group  string
		legacy bool // a client of the past sees the certificate
	}{
		{e, []string{"-groups", "X448"}, "X448", true},
		{e, []string{"-tls1_3", "-groups", "X448"}, "X448", false},
		{r, []string{"-tls1_3", "-groups", "ffdhe2048"}, "ffdhe2048", false},
		{r, []string{"-tls1_2", "-groups", "secp256k1"}, "secp256k1", true},
		{r, []string{"-tls1_2", "-groups", "brainpoolP256r1"}, "brainpoolP256r1", true},
		{odd, []string{"-tls1_2"}, "secp256k1", true},
		{r, []string{"-tls1_2", "-cipher", "DHE-RSA-AES128-SHA256"}, "", true},
		{e, []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, "", false},
		{r, []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, "", true},
		{e, []string{"-groups", "X448:P-256"}, "", false},
		{e, []string{"-groups", "P-521"}, "", false},
	} {
		t.Run(filepath.Base(c.file)+strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			s, obs := surveyFirst(t, sServer(t, c.file, c.args...))
			if s.Group != c.group || s.Legacy != c.legacy || s.GroupNew || c.group != "" && (s.ErrorClass != ClassAlert || !strings.Contains(obs[0].Command, c.group)) {
				t.Fatalf("%+v\n%s", s, obs[0].Command)
			}
			if c.group == "" {
				return
			}
			out, err := exec.Command("sh", "-c", obs[0].Command).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "serial=") {
				t.Errorf("the command does not bring the certificate: %s\n%v %s", obs[0].Command, err, out)
			}
		})
	}
}

// Browsers of today get through to a server that has a post-quantum group alone; older clients do not.
func TestHybridGroupAlone(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	for _, g := range hybrids {
		_, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}, CurvePreferences: []tls.CurveID{g}})
		if s, _ := surveyFirst(t, port); s.Error != "" || len(s.Chain) != 1 || s.Legacy || !s.GroupNew || s.Group != tlsGroup(uint16(g)) {
			t.Errorf("%v: %+v", g, s)
		}
	}
	_, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}})
	if s, _ := surveyFirst(t, port); s.Group != "" || s.GroupNew {
		t.Errorf("a server with all groups: %+v", s)
	}
}
