// Command clients uses Azure's own Go client of Key Vault's secrets against a running Certwright, every operation of it,
// and says as JSON what it saw. It is a module of its own, so that nobody but this test downloads Azure's modules.
//
// It reads VAULT (https://NAME.SUFFIX:PORT), ADDRESS (where to dial in place of the names, and where to sign in), CA (file
// of roots), TOKEN (a token of the name owner: the client secret), and ORDER (the secret of a stored order).
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
}

// token is a credential that has its token already.
type token string

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// signIn is a client id and its secret, as azidentity signs in with them. It holds what it is asked for against what a
// vault's challenge must say.
type signIn struct {
	azcore.TokenCredential
	scope string
}

// tenant is the directory that the server says it is.
const tenant = "00000000-0000-0000-0000-000000000002"

func newSignIn(client *http.Client, secret string) (*signIn, error) {
	here := azcore.ClientOptions{Transport: client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + os.Getenv("ADDRESS")}}
	c, err := azidentity.NewClientSecretCredential(tenant, "owner", secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: here, DisableInstanceDiscovery: true})
	_, suffix, _ := strings.Cut(os.Getenv("VAULT"), ".") // without the vault's name
	return &signIn{c, "https://" + suffix + "/.default"}, err
}

func (s *signIn) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != s.scope || o.TenantID != tenant {
		return azcore.AccessToken{}, fmt.Errorf("the challenge asked for %+v, not for %s of %s", o, s.scope, tenant)
	}
	return s.TokenCredential.GetToken(ctx, o)
}

// transport trusts the given roots and dials one address whatever the name: *.localhost is not known everywhere.
func transport() (*http.Client, error) {
	pem, err := os.ReadFile(os.Getenv("CA"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("CA holds no certificate")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, os.Getenv("ADDRESS"))
		}}}, nil
}

// seen is what the driver of the test compares.
type seen struct {
	Order   azsecrets.Secret   // of the stored order, by its latest version
	Again   azsecrets.Secret   // by the version that the first named
	Listed  []string           // names of all secrets, page by page
	Pages   int                // how many there were
	Refused map[string]refusal // what is refused, and how
	Steps   []string           // of a secret's life
}

type refusal struct {
	Status int
	Code   string
}

func run(ctx context.Context) (seen, error) {
	s := seen{Refused: map[string]refusal{}}
	client, err := transport()
	if err != nil {
		return s, err
	}
	o := &azsecrets.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: -1}}}
	who, err := newSignIn(client, os.Getenv("TOKEN"))
	if err != nil {
		return s, err
	}
	c, err := azsecrets.NewClient(os.Getenv("VAULT"), who, o)
	if err != nil {
		return s, err
	}
	order, err := c.GetSecret(ctx, os.Getenv("ORDER"), "", nil)
	if err != nil {
		return s, fmt.Errorf("get the order's secret: %w", err)
	}
	s.Order = order.Secret
	again, err := c.GetSecret(ctx, order.ID.Name(), order.ID.Version(), nil)
	if err != nil {
		return s, fmt.Errorf("get its version: %w", err)
	}
	s.Again = again.Secret
	if err := s.life(ctx, c); err != nil {
		return s, err
	}
	if err := s.list(ctx, c); err != nil {
		return s, err
	}
	other, err := newSignIn(client, "cw_nobody")
	if err != nil {
		return s, err
	}
	for what, who := range map[string]azcore.TokenCredential{"a foreign token": token("cw_nobody"), "a wrong client secret": other} {
		bad, err := azsecrets.NewClient(os.Getenv("VAULT"), who, o)
		if err != nil {
			return s, err
		}
		_, err = bad.GetSecret(ctx, order.ID.Name(), "", nil)
		s.refused(what, err)
	}
	return s, nil
}

func (s *seen) refused(what string, err error) {
	var r *azcore.ResponseError
	var signIn *azidentity.AuthenticationFailedError
	if errors.As(err, &r) {
		s.Refused[what] = refusal{r.StatusCode, r.ErrorCode}
	} else if errors.As(err, &signIn) && signIn.RawResponse != nil {
		s.Refused[what] = refusal{signIn.RawResponse.StatusCode, "AuthenticationFailed"}
	} else {
		s.Refused[what] = refusal{0, fmt.Sprint(err)}
	}
}

// life takes a secret from its first version to its purge.
func (s *seen) life(ctx context.Context, c *azsecrets.Client) error {
	const name = "go-life"
	step := func(what string, err error, well bool) error {
		if err == nil && !well {
			err = errors.New("the answer is another than was set")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		s.Steps = append(s.Steps, what)
		return nil
	}
	exp := time.Now().Add(24 * time.Hour).Truncate(time.Second).UTC()
	set, err := c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr("one"), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"a": to.Ptr("b")},
		SecretAttributes: &azsecrets.SecretAttributes{Expires: &exp}}, nil)
	if err := step("set", err, err == nil && *set.Value == "one" && set.Attributes.Expires.Equal(exp) && *set.Tags["a"] == "b" && *set.Attributes.Enabled && len(set.ID.Version()) == 32); err != nil {
		return err
	}
	two, err := c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr("two")}, nil)
	if err := step("set again", err, err == nil && two.ID.Version() != set.ID.Version()); err != nil {
		return err
	}
	got, err := c.GetSecret(ctx, name, "", nil)
	if err := step("get the latest", err, err == nil && *got.Value == "two"); err != nil {
		return err
	}
	updated, err := c.UpdateSecretProperties(ctx, name, two.ID.Version(), azsecrets.UpdateSecretPropertiesParameters{ContentType: to.Ptr("x/y"), SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}}, nil)
	if err := step("update", err, err == nil && *updated.ContentType == "x/y" && !*updated.Attributes.Enabled && updated.Value == nil); err != nil {
		return err
	}
	_, err = c.GetSecret(ctx, name, two.ID.Version(), nil)
	s.refused("a disabled version", err)
	versions := 0
	for p := c.NewListSecretPropertiesVersionsPager(name, nil); p.More(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return step("list versions", err, false)
		}
		versions += len(page.Value)
	}
	if err := step("list versions", nil, versions == 2); err != nil {
		return err
	}
	return s.afterlife(ctx, c, name, set.ID.Version(), step)
}

// afterlife deletes, recovers, purges and restores.
func (s *seen) afterlife(ctx context.Context, c *azsecrets.Client, name, version string, step func(string, error, bool) error) error {
	backup, err := c.BackupSecret(ctx, name, nil)
	if err := step("backup", err, err == nil && len(backup.Value) > 100); err != nil {
		return err
	}
	_, err = c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: backup.Value}, nil)
	s.refused("restore over a live secret", err)
	del, err := c.DeleteSecret(ctx, name, nil)
	if err := step("delete", err, err == nil && del.RecoveryID != nil && del.ScheduledPurgeDate.After(*del.DeletedDate)); err != nil {
		return err
	}
	_, err = c.GetSecret(ctx, name, "", nil)
	s.refused("a deleted secret", err)
	_, err = c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr("three")}, nil)
	s.refused("set while deleted", err)
	gone, err := c.GetDeletedSecret(ctx, name, nil)
	if err := step("get deleted", err, err == nil && gone.ID.Name() == name); err != nil {
		return err
	}
	_, err = c.RecoverDeletedSecret(ctx, name, nil)
	if err := step("recover", err, true); err != nil {
		return err
	}
	if _, err := c.DeleteSecret(ctx, name, nil); err != nil {
		return step("delete again", err, false)
	}
	var deleted []string
	for p := c.NewListDeletedSecretPropertiesPager(nil); p.More(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return step("list deleted", err, false)
		}
		for _, v := range page.Value {
			deleted = append(deleted, v.ID.Name())
		}
	}
	if err := step("list deleted", nil, slices.Contains(deleted, name)); err != nil {
		return err
	}
	_, err = c.PurgeDeletedSecret(ctx, name, nil)
	if err := step("purge", err, true); err != nil {
		return err
	}
	_, err = c.GetDeletedSecret(ctx, name, nil)
	s.refused("a purged secret", err)
	back, err := c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: backup.Value}, nil)
	if err := step("restore", err, err == nil && back.ID.Name() == name); err != nil {
		return err
	}
	old, err := c.GetSecret(ctx, name, version, nil)
	if err := step("get a restored version", err, err == nil && *old.Value == "one" && *old.Tags["a"] == "b"); err != nil {
		return err
	}
	backup.Value[len(backup.Value)/2] ^= 1
	_, err = c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: backup.Value}, nil)
	s.refused("a changed backup", err)
	return nil
}

// list reads all secrets, past more than one page.
func (s *seen) list(ctx context.Context, c *azsecrets.Client) error {
	for i := range 30 {
		if _, err := c.SetSecret(ctx, fmt.Sprintf("go-many-%02d", i), azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil); err != nil {
			return fmt.Errorf("set many: %w", err)
		}
	}
	for p := c.NewListSecretPropertiesPager(nil); p.More(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		s.Pages++
		for _, v := range page.Value {
			s.Listed = append(s.Listed, v.ID.Name())
		}
	}
	return nil
}
