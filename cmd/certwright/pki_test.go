package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pki NAME... makes an authority (root.pem) and a certificate of it for the names, valid for 80 days more: shop.pem
// and shop.key, as some other tool would have left them.
func pki(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: pki NAME...")
	}
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	root := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Another authority"}, NotBefore: now.Add(-240 * time.Hour), NotAfter: now.AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, caKey.Public(), caKey)
	ts.Check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: args[0]}, DNSNames: args, NotBefore: now.Add(-240 * time.Hour), NotAfter: now.AddDate(0, 0, 80),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), caKey)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{"root.pem": {Type: "CERTIFICATE", Bytes: rootDER}, "shop.pem": {Type: "CERTIFICATE", Bytes: der}, "shop.key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(block), 0o600))
	}
}

// webserver DIRECTORY PORT serves a directory over plain HTTP at $IP.
func webserver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: webserver DIRECTORY PORT")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ts.Getenv("IP"), args[1]))
	ts.Check(err)
	s := &http.Server{Handler: http.FileServer(http.Dir(ts.MkAbs(args[0]))), ReadHeaderTimeout: patience}
	go func() { _ = s.Serve(l) }() // ends with Close
	ts.Defer(func() { _ = s.Close() })
}

// silent PORT is a server at $IP that takes connections and never says a word.
func silent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: silent PORT")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ts.Getenv("IP"), args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() }) // nobody accepts: the kernel alone answers
}

// revoked SERIAL waits until Pebble says that it has revoked the certificate; with ! it must say now that it has not.
func revoked(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: revoked SERIAL")
	}
	is := func() bool {
		status, err := worldOf(ts).pebble.CertStatus(context.Background(), args[0])
		ts.Check(err)
		return strings.Contains(status, "Revoked")
	}
	if neg && is() || !neg && !poll(is) {
		ts.Fatalf("Pebble says otherwise of %s", args[0])
	}
}
