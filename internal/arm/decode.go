package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"certwright/internal/order"
)

// Decode reads JSON strictly: an unknown property is a refusal that names it.
func Decode(data []byte, v any) error { return decode(data, v, true) }

// DecodeLoose reads JSON and passes over properties that are not known.
func DecodeLoose(data []byte, v any) error { return decode(data, v, false) }

func decode(data []byte, v any, strict bool) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // as some editors begin a file
	if !utf8.Valid(data) {
		return badJSON("", "it is not UTF-8", "Send it in UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return decodeError(data, v, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badJSON("", "there is more after the end of the JSON value", "Send one JSON object")
	}
	return nil
}

func badJSON(property, message, fix string) error {
	return &order.Refusal{Kind: order.BadInput, Code: "InvalidBody", Property: property, Message: "the body is not the JSON that is expected: " + message, Fix: fix}
}

// decodeError is an error of encoding/json in the words of whoever sent the body.
func decodeError(data []byte, v any, err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	text := strings.TrimPrefix(err.Error(), "json: ")
	switch {
	case errors.As(err, &kind):
		at := property(kind.Field)
		is, _, _ := strings.Cut(kind.Value, " ")
		if kind.Value != is {
			is = kind.Value // a number that does not fit is shown
		}
		return badJSON(at, fmt.Sprintf("%s must be %s, and is %s", nonempty(at, "the body"), kindOf(kind.Type), articled(is)), "See what there is in /openapi.json")
	case errors.As(err, &syntax):
		return badJSON("", fmt.Sprintf("%s, at byte %d", text, syntax.Offset), "Mend the JSON there")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badJSON("", "it ends too early", "Send it whole")
	}
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		var all any
		_ = json.Unmarshal(data, &all)
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidBody", Property: unknown(all, reflect.TypeOf(v), ""), Message: "property " + name + " is not known",
			Fix: "Write it as it stands in /openapi.json, or leave it away"}
	}
	return badJSON("", text, "See what there is in /openapi.json")
}

func nonempty(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// property is a path of encoding/json without the Go types that are embedded on the way.
func property(path string) string {
	var words []string
	for _, w := range strings.Split(path, ".") {
		if w != "" && !unicode.IsUpper(rune(w[0])) {
			words = append(words, w)
		}
	}
	return strings.Join(words, ".")
}

func articled(kind string) string {
	if kind == "array" || kind == "object" {
		return "an " + kind
	}
	if kind == "bool" {
		return "true or false"
	}
	return "a " + kind
}

// kindOf is a Go type in JSON's words.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a string in base64"
		}
		return "an array"
	}
	return "an object"
}

// unknown finds the way to the first property that a type has not.
func unknown(v any, t reflect.Type, at string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case []any:
		if t.Kind() != reflect.Slice {
			return ""
		}
		for i, x := range v {
			if found := unknown(x, t.Elem(), fmt.Sprintf("%s[%d]", at, i)); found != "" {
				return found
			}
		}
	case map[string]any:
		known := map[string]reflect.Type{}
		if t.Kind() == reflect.Struct {
			jsonFields(t, known)
		}
		for name, x := range v {
			path := strings.TrimPrefix(at+"."+name, ".")
			of, ok := known[strings.ToLower(name)]
			if t.Kind() == reflect.Map {
				of, ok = t.Elem(), true
			}
			if t.Kind() == reflect.Struct && !ok {
				return path
			}
			if ok {
				if found := unknown(x, of, path); found != "" {
					return found
				}
			}
		}
	}
	return ""
}

// jsonFields are the properties of a structure by name in lower case: encoding/json compares them so.
func jsonFields(t reflect.Type, into map[string]reflect.Type) {
	for f := range fieldsOf(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case f.Anonymous && name == "":
			jsonFields(f.Type, into)
		case name == "":
			into[strings.ToLower(f.Name)] = f.Type
		default:
			into[strings.ToLower(name)] = f.Type
		}
	}
}
