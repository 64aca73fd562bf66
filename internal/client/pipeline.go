package client

import (
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// maxWait is the longest Retry-After that a call waits out by itself; a longer one is told to the user.
const maxWait = 20 * time.Second

// newPipeline is what every request goes through: a request id, our token, and up to three tries while the server asks
// for patience. A refused connection is told at once: a server that is not up does not come up in three seconds.
func newPipeline(token string, transport *http.Client) runtime.Pipeline {
	return runtime.NewPipeline("certwright", "v1", runtime.PipelineOptions{
		PerRetry: []policy.Policy{bearer(token)},
	}, &policy.ClientOptions{
		Transport: transport,
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Retry:     policy.RetryOptions{MaxRetries: 3, MaxRetryDelay: maxWait, ShouldRetry: shouldRetry},
	})
}

// shouldRetry says whether the server asked for another try: it said when, so the request was not carried out.
func shouldRetry(resp *http.Response, err error) bool {
	if err != nil || resp == nil || resp.Header.Get("Retry-After") == "" {
		return false
	}
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
}

// bearer puts our token on each request. azcore's own policy is for tokens that are fetched and renewed; ours is given.
type bearer string

// Do sends the request on with the token.
func (b bearer) Do(r *policy.Request) (*http.Response, error) {
	r.Raw().Header.Set("Authorization", "Bearer "+string(b))
	return r.Next()
}
