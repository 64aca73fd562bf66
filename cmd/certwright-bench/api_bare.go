package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/store"
)

// bareProcess is this program again, as a bare handler.
type bareProcess struct {
	cmd *exec.Cmd
	in  io.Closer
	url string
}

func startBare(ctx context.Context, file string) (*bareProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bareProcess{cmd: exec.CommandContext(ctx, self, "-bare", file)}
	b.cmd.Stderr = os.Stderr
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the bare handler did not start: %w", err)
	}
	b.url = strings.TrimSpace(line)
	return b, nil
}

func (b *bareProcess) stop() {
	_ = b.in.Close()
	_ = b.cmd.Wait()
}

// bare answers with what the SQL reads of the API give, encoded as they come: no rights, no judgement, no decryption.
type bare struct{ order, list, secret *sql.Stmt }

// serveBare is the other process: it ends with its standard input.
func serveBare(ctx context.Context, o options) error {
	db, err := sql.Open("sqlite", "file:"+o.bare+"?mode=ro&_pragma=busy_timeout(10000)&_pragma=temp_store(MEMORY)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(4) // as many as the store has
	db.SetMaxIdleConns(4)
	defer db.Close()
	reads := store.BareReads()
	var b bare
	for _, p := range []struct {
		into **sql.Stmt
		text string
	}{
		{&b.order, reads.Order}, {&b.list, reads.List}, {&b.secret, reads.Secret},
	} {
		if *p.into, err = db.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return b.serve()
}

func (b *bare) serve() error {
	cert, err := ownCertificate()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/orders/{name}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, b.order, order.Short(r.PathValue("name")).Key())
	})
	mux.HandleFunc("GET /v1/orders", func(w http.ResponseWriter, r *http.Request) { answer(w, r, b.list, r.URL.Query().Get("status")) })
	mux.HandleFunc("GET /vaults/{vault}/secrets/{name}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, b.secret, r.PathValue("vault"), r.PathValue("name"))
	})
	srv := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	go func() { _ = srv.ServeTLS(ln, "", "") }()
	fmt.Println("https://" + ln.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return srv.Close()
}

// answer runs the statement and writes its rows as JSON arrays; no row is a 404.
func answer(w http.ResponseWriter, r *http.Request, st *sql.Stmt, args ...any) {
	rows, err := st.QueryContext(r.Context(), args...)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	var all [][]any
	for rows.Next() {
		row, at := make([]any, len(cols)), make([]any, len(cols))
		for i := range row {
			at[i] = &row[i]
		}
		if err := rows.Scan(at...); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		all = append(all, row)
	}
	if len(all) == 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all)
}

// ownCertificate is a self-signed ECDSA one, as the server's own leaf is of ECDSA.
func ownCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
