package server

import (
	"bytes"
	"net/http"

	"certwright/internal/web"
)

// answer keeps what a handler answers.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// asking lets the pages ask the API as whoever looks at them: a session is a token with its owner's role and scope, so a
// page shows what that person would get, and nothing else.
func asking(apis http.Handler) func(r *http.Request, address string) (int, []byte) {
	return func(r *http.Request, address string) (int, []byte) {
		q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			return http.StatusBadRequest, nil
		}
		q.RemoteAddr = r.RemoteAddr
		q.Header.Set("Authorization", "Bearer "+web.Session(r))
		a := &answer{status: http.StatusOK, header: http.Header{}}
		apis.ServeHTTP(a, q)
		return a.status, a.body.Bytes()
	}
}
