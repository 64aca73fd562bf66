// Command clients uses the other Go clients of Azure's against a running Certwright, every operation of them, and says as
// JSON what it saw. It is a module of its own, and a large one (1.4 GB unpacked), that only make test-all downloads.
//
//	clients autorest       certificate orders and diagnostics of azure-sdk-for-go v68, with go-autorest
//	clients hashicorp      the same of hashicorp/go-azure-sdk, which Terraform is made with
//	clients certificates   azcertificates 0.9.0
//	clients monitor        armmonitor
//
// It reads URL (the server), VAULT (https://NAME.SUFFIX:PORT) and TOKEN (a token of the name owner: the client secret).
// Roots and a proxy that knows the vault's name are taken from SSL_CERT_FILE and HTTPS_PROXY, as any program takes them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const (
	subscription = "00000000-0000-0000-0000-000000000001"
	tenant       = "00000000-0000-0000-0000-000000000002"
	group        = "default"
	vaultID      = "/subscriptions/" + subscription + "/resourceGroups/" + group + "/providers/Microsoft.KeyVault/vaults/default"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := run(ctx, strings.Join(os.Args[1:], " "))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, what string) (any, error) {
	switch what {
	case "autorest":
		c, err := newAutorest()
		if err != nil {
			return nil, err
		}
		return walk(ctx, c)
	case "hashicorp":
		c, err := newHashicorp(ctx)
		if err != nil {
			return nil, err
		}
		return walk(ctx, c)
	case "certificates":
		return certificates(ctx)
	case "monitor":
		return monitor(ctx)
	}
	return nil, fmt.Errorf("%q is no client: autorest, hashicorp, certificates or monitor", what)
}

// here is the server as a cloud, for clients of azcore.
func here() azcore.ClientOptions {
	return azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: os.Getenv("URL"),
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: os.Getenv("URL"), Audience: os.Getenv("URL")}}}}
}

func credential() (azcore.TokenCredential, error) {
	return azidentity.NewClientSecretCredential(tenant, "owner", os.Getenv("TOKEN"), &azidentity.ClientSecretCredentialOptions{ClientOptions: here(), DisableInstanceDiscovery: true})
}

// value is what a pointer points at, or nothing.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func pointer[T any](v T) *T { return &v }

// until calls again and again until what it gives is as wanted.
func until[T any](ctx context.Context, get func() (T, error), wanted func(T) bool) (T, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := get()
		if err != nil || wanted(got) {
			return got, err
		}
		select {
		case <-ctx.Done():
			return got, fmt.Errorf("it never came; last %+v: %w", got, ctx.Err())
		case <-tick.C:
		}
	}
}
