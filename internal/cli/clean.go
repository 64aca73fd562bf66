package cli

import (
	"reflect"

	"certwright/internal/timeline"
)

// scrub takes what could move a terminal's cursor out of every text in v: names and the words of authorities come
// from others. It changes what v points to, in place; -o json is never scrubbed, its encoding is safe by itself.
func scrub(v any) { scrubValue(reflect.ValueOf(v)) }

func scrubValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			scrubValue(v.Elem())
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(timeline.OneLine(v.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() || v.Field(i).Kind() == reflect.Slice {
				scrubValue(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // bytes are never printed as they are
		}
		for i := range v.Len() {
			scrubValue(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if e := v.MapIndex(k); e.Kind() == reflect.String {
				v.SetMapIndex(k, reflect.ValueOf(timeline.OneLine(e.String())).Convert(e.Type()))
			}
		}
	}
}
