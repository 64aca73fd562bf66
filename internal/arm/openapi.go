package arm

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OpenAPI describes the registry, and more operations, as OpenAPI 3.1; one without a path says what the registry's of its
// id reads and answers. Schemas are made of the very types that are read
// and written.
func OpenAPI(server, version, token string, more []Operation) map[string]any {
	all := append(Registry(), Type{Provider: "Short paths and the service itself"})
	for _, m := range more {
		if m.Path != "" {
			all[len(all)-1].Operations = append(all[len(all)-1].Operations, m)
		}
		for _, t := range all {
			for i := range t.Operations {
				if o := &t.Operations[i]; m.Path == "" && o.ID == m.ID {
					o.Body, o.Answer = m.Body, m.Answer
				}
			}
		}
	}
	read := schemas{defs: map[string]any{}} // what bodies have may be left away, also where an answer has it
	for _, t := range all {
		for _, o := range t.Operations {
			if o.Body != nil {
				read.value(reflect.ValueOf(o.Body))
			}
		}
	}
	paths, s := map[string]map[string]any{}, schemas{defs: map[string]any{}, read: read.defs}
	for _, t := range all {
		for _, o := range t.Operations {
			if paths[o.Path] == nil {
				paths[o.Path] = map[string]any{}
			}
			paths[o.Path][strings.ToLower(o.Method)] = s.operation(t, o)
		}
	}
	s.of(reflect.TypeFor[ErrorBody]())
	return map[string]any{
		"openapi": "3.1.0", "info": map[string]any{"title": "Certwright", "version": version, "description": "Azure Resource Manager's paths for certificate orders and their neighbours"},
		"servers": []any{map[string]any{"url": server}}, "paths": paths,
		"security": []any{map[string]any{"token": []string{}}, map[string]any{"client": []string{}}},
		"components": map[string]any{"schemas": s.defs, "securitySchemes": map[string]any{
			"token":  map[string]any{"type": "http", "scheme": "bearer"},
			"client": map[string]any{"type": "oauth2", "flows": map[string]any{"clientCredentials": map[string]any{"tokenUrl": token, "scopes": map[string]string{}}}}}},
	}
}

// schemas collects the schemas of named types.
type schemas struct {
	defs map[string]any
	read map[string]any // those of bodies; nil while they are collected
}

func (s schemas) operation(t Type, o Operation) map[string]any {
	var params []any
	for _, seg := range split(o.Path) {
		if name, ok := strings.CutPrefix(seg, "{"); ok {
			params = append(params, map[string]any{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
		}
	}
	if t.Versions != nil {
		params = append(params, map[string]any{"name": "api-version", "in": "query", "required": true, "schema": map[string]any{"type": "string", "enum": t.Versions}})
	}
	responses := map[string]any{"default": map[string]any{"description": "An error, and what to do about it", "content": jsonOf(map[string]any{"$ref": "#/components/schemas/ErrorBody"})}}
	for _, code := range o.Codes {
		r := map[string]any{"description": "It went well"}
		if o.Answer != nil && code < 204 {
			r["content"] = jsonOf(s.value(reflect.ValueOf(o.Answer)))
		}
		if o.Kind != "" {
			r["content"] = map[string]any{o.Kind: map[string]any{}}
		}
		responses[strconv.Itoa(code)] = r
	}
	op := map[string]any{"operationId": o.ID, "summary": o.Text, "tags": []string{t.Provider}, "responses": responses, "x-certwright-action": o.Action}
	if params != nil {
		op["parameters"] = params
	}
	if o.LRO {
		op["x-ms-long-running-operation"] = true
	}
	if o.Body != nil {
		content := jsonOf(s.value(reflect.ValueOf(o.Body)))
		if o.Form {
			content = map[string]any{"application/x-www-form-urlencoded": content["application/json"]}
		}
		op["requestBody"] = map[string]any{"required": o.Method != "POST" || o.Form, "content": content}
	}
	if o.Action == "" {
		op["security"] = []any{}
		delete(op, "x-certwright-action")
	}
	return op
}

func jsonOf(schema any) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": schema}}
}

// value is the schema of a value's type; an interface that holds something is of what it holds.
func (s schemas) value(v reflect.Value) map[string]any {
	if v.Type() == reflect.TypeFor[Over]() {
		status := map[string]any{"properties": map[string]any{"status": s.of(reflect.TypeFor[string]())}}
		return map[string]any{"allOf": []any{s.value(v.FieldByName("Resource")), status}}
	}
	if v.Type() != reflect.TypeFor[Resource]() || v.FieldByName("Properties").IsNil() {
		return s.of(v.Type())
	}
	return map[string]any{"allOf": []any{s.of(v.Type()), map[string]any{"properties": map[string]any{"properties": s.of(v.FieldByName("Properties").Elem().Type())}}}}
}

// of is the schema of a type; a named structure is put aside and referred to.
func (s schemas) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "format": "int64"}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint8:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.structure(t)
	}
	return map[string]any{} // anything
}

// named is a type's name for a reference: List[certwright/internal/arm.Resource] becomes ListResource.
func named(t reflect.Type) string {
	name, of, generic := strings.Cut(t.Name(), "[")
	if pkg := t.PkgPath(); name != "" && !strings.HasSuffix(pkg, "/arm") {
		name = pkg[strings.LastIndex(pkg, "/")+1:] + "." + name
	}
	if generic {
		of = strings.TrimSuffix(of, "]")
		name += of[strings.LastIndexAny(of, "./")+1:]
	}
	return name
}

func (s schemas) structure(t reflect.Type) map[string]any {
	name := named(t)
	if name == "" {
		return s.object(t)
	}
	if _, ok := s.defs[name]; !ok {
		s.defs[name] = nil // it may contain itself
		s.defs[name] = s.object(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

func (s schemas) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	always := s.fields(t, properties)
	o := map[string]any{"type": "object", "properties": properties}
	if _, sent := s.read[named(t)]; s.read != nil && !sent && len(always) > 0 {
		slices.Sort(always)
		o["required"] = always
	}
	return o
}

// fields describes the fields of a structure, and names those that an answer always has.
func (s schemas) fields(t reflect.Type, into map[string]any) (always []string) {
	for f := range fieldsOf(t) {
		name, how, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if f.Anonymous && name == "" {
			always = append(always, s.fields(f.Type, into)...)
			continue
		}
		if name == "" {
			name = f.Name
		}
		into[name] = s.of(f.Type)
		if how == "omitempty" || how == "omitzero" {
			continue
		}
		always = append(always, name)
		if f.Type.Kind() == reflect.Pointer {
			into[name] = map[string]any{"anyOf": []any{into[name], map[string]any{"type": "null"}}}
		}
	}
	return always
}

func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
