package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// driver is a client of so many connections, each for itself: HTTP/1.1 over TLS. Both servers' certificates are their own;
// checking them would be the client's work.
func driver(conns int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
}

// fetch asks once and reads the whole answer.
func fetch(ctx context.Context, c *http.Client, url, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json") // as every client does that is a program
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, resp.Status, body)
	}
	return body, err
}

// most asks on all connections as fast as answers come and gives requests a second.
func most(ctx context.Context, c *http.Client, conns int, base, token string, path func(int) string) (float64, error) {
	var n atomic.Int64
	errs := make(chan error, conns)
	began := time.Now()
	for range conns {
		go func() {
			for time.Since(began) < lookFor {
				if _, err := fetch(ctx, c, base+path(int(n.Add(1))), token); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var failed error
	for range conns {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return float64(n.Load()) / time.Since(began).Seconds(), failed
}

// paced asks at a steady rate, whether answers have come or not, and gives the times from when each request was to be sent:
// one that waits for a connection has waited.
func paced(ctx context.Context, c *http.Client, conns int, base, token string, rate float64, path func(int) string) (p50, p99 time.Duration, err error) {
	total := int(rate * lookFor.Seconds())
	took := make([]time.Duration, total)
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, conns)
	for range conns {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < total; i = int(next.Add(1)) - 1 {
				at := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				time.Sleep(time.Until(at))
				if _, err := fetch(ctx, c, base+path(i), token); err != nil {
					errs <- err
					return
				}
				took[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return 0, 0, err
	}
	sort.Slice(took, func(i, k int) bool { return took[i] < took[k] })
	return took[total/2], took[total*99/100], nil
}

// typical is the median time of one request after another.
func typical(ctx context.Context, c *http.Client, url, token string) (time.Duration, error) {
	var all []time.Duration
	for range 51 {
		began := time.Now()
		if _, err := fetch(ctx, c, url, token); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	sort.Slice(all, func(i, k int) bool { return all[i] < all[k] })
	return all[len(all)/2], nil
}

// nthPage follows nextLink to the n-th page, or to the last there is.
func nthPage(ctx context.Context, c *http.Client, p *process, url string, n int) (string, error) {
	for range n - 1 {
		body, err := fetch(ctx, c, url, p.token)
		if err != nil {
			return "", err
		}
		var page struct{ NextLink string }
		if err := json.Unmarshal(body, &page); err != nil {
			return "", err
		}
		if page.NextLink == "" {
			break
		}
		url = page.NextLink
	}
	return url, nil
}
