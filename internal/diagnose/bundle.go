package diagnose

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// BundleFormat is the first field of a bundle, by which a file is known as one.
const BundleFormat = "certwright-bundle"

// BundleVersion is the version of the form; a newer one is refused with words.
const BundleVersion = 1

// maxBundle bounds a bundle's document, in bytes: a small file may unpack to a huge one.
const maxBundle = 64 << 20

// Bundle is one order as it was at one moment, in one redacted document: what a colleague or the makers need to
// see the same. Judging its Case gives its Report.
type Bundle struct {
	Format        string         `json:"format"` // BundleFormat
	Version       int            `json:"version"`
	Program       string         `json:"program"` // version of the program that wrote it
	Made          time.Time      `json:"made"`
	Report        Report         `json:"report"`
	Case          Case           `json:"case"`
	Timeline      []order.Event  `json:"timeline"` // newest first, the last of them
	Configuration map[string]any `json:"configuration,omitempty"`
}

// NewBundle makes a bundle of a case: redacted first, judged then, so that whoever judges it again has the very
// same in hand. The caller adds timeline and configuration, which Encode redacts too.
func NewBundle(c Case, program string, s secret.Scrubber) (Bundle, error) {
	data, err := json.Marshal(c.Portable())
	if err == nil {
		data, err = s.JSON(data)
	}
	b := Bundle{Format: BundleFormat, Version: BundleVersion, Program: program, Made: c.Now}
	if err == nil {
		err = json.Unmarshal(data, &b.Case)
	}
	if err != nil {
		return b, fmt.Errorf("write the case down: %w", err)
	}
	b.Report = b.Case.Judge()
	return b, nil
}

// Encode writes the bundle as a file: one JSON document, compressed with gzip. Everything goes through the scrubber.
func (b Bundle) Encode(s secret.Scrubber) ([]byte, error) {
	doc, err := json.Marshal(b)
	if err == nil {
		doc, err = s.JSON(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("write the bundle: %w", err)
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err = w.Write(doc)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// DecodeBundle reads a bundle's file. The error says what is wrong with it: no bundle, damaged, or of a newer version.
func DecodeBundle(data []byte) (Bundle, error) {
	var b Bundle
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return b, errors.New("it is no bundle: it is not compressed with gzip, as `certwright bundle` writes it")
	}
	doc, err := io.ReadAll(io.LimitReader(z, maxBundle+1))
	if err != nil {
		return b, fmt.Errorf("it is damaged, probably cut off: %w", err)
	}
	if len(doc) > maxBundle {
		return b, fmt.Errorf("it is no bundle: it unpacks to more than %d MiB", maxBundle>>20)
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Program string `json:"program"`
	}
	if err := json.Unmarshal(doc, &head); err != nil || head.Format != BundleFormat {
		return b, errors.New("it is no bundle of Certwright: what it unpacks to does not say so")
	}
	if head.Version > BundleVersion {
		return b, fmt.Errorf("it was written by a newer Certwright (%s, form %d; this one reads up to %d): use that one", head.Program, head.Version, BundleVersion)
	}
	if err := json.Unmarshal(doc, &b); err != nil {
		return b, fmt.Errorf("it is damaged: %w", err)
	}
	return b, nil
}
