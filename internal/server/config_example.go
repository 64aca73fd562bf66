package server

import (
	"fmt"
	"reflect"
	"strings"
)

// ExampleConfig is the whole configuration file with its comments and default values. Reading it gives the
// same as reading an empty file.
func ExampleConfig() string {
	var b strings.Builder
	b.WriteString("# Configuration of Certwright. Every key may be left out: what stands here is the default.\n" +
		"# Relative paths are relative to this file. Time spans: 90s, 36h, 15d. Sizes: 512KiB, 1MiB.\n" +
		"# An environment variable overrides a key: " + envName("log.level") + " is 'level' below 'log'.\n")
	section(&b, reflect.ValueOf(DefaultConfig()), "")
	return b.String()
}

// section writes the keys of a struct.
func section(b *strings.Builder, v reflect.Value, indent string) {
	for i, f := range reflect.VisibleFields(v.Type()) {
		if indent == "" {
			b.WriteString("\n")
		}
		comment(b, f.Tag.Get("help"), indent)
		key := indent + f.Tag.Get("yaml") + ":"
		if f.Type.Kind() == reflect.Struct {
			fmt.Fprintln(b, key)
			section(b, v.Field(i), indent+"  ")
			continue
		}
		if f.Type.Kind() == reflect.Map && f.Tag.Get("example") != "" {
			fmt.Fprintf(b, "%s# %s\n%s#   %s\n", indent, f.Tag.Get("yaml")+":", indent, f.Tag.Get("example"))
		}
		fmt.Fprintln(b, key, scalar(v.Field(i)))
	}
}

// scalar is a value as YAML.
func scalar(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Map:
		return "{}"
	case reflect.Slice:
		return "[]"
	}
	s := fmt.Sprint(v.Interface())
	if s == "" {
		return `""`
	}
	return s
}

// comment writes a text in lines of at most 100 characters.
func comment(b *strings.Builder, text, indent string) {
	line := indent + "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > 100 {
			fmt.Fprintln(b, line)
			line = indent + "#"
		}
		line += " " + word
	}
	if line != indent+"#" {
		fmt.Fprintln(b, line)
	}
}
