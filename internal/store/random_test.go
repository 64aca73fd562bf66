package store_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"certwright/internal/order"
)

// randomOrder fills every field that is stored with a random value of its type, rows with distinct keys.
func randomOrder(r *rapid.T, name string) *order.Order {
	o := new(order.Order)
	fill(r, reflect.ValueOf(o).Elem(), "order")
	o.ID = order.Short(name)
	o.Revision, o.Seq, o.Hash, o.LeaseOwner = 0, 0, nil, "node-1"
	for i := range o.Identifiers {
		o.Identifiers[i].Value = fmt.Sprintf("n%d.example.test", i)
	}
	for i := range o.Versions {
		o.Versions[i].Number = i + 1
	}
	for i := range o.Attempts {
		o.Attempts[i].ID = fmt.Sprintf("%032x", i)
	}
	for i := range o.Deployments {
		o.Deployments[i].Target = fmt.Sprintf("t%d", i)
	}
	for i := range o.Endpoints {
		o.Endpoints[i].Address = fmt.Sprintf("127.0.0.%d:443", i)
	}
	return o
}

// fill sets a value. Slices and maps are nil rather than empty: JSON does not tell them apart.
func fill(r *rapid.T, v reflect.Value, label string) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		if rapid.Bool().Draw(r, label) {
			*x = time.UnixMilli(rapid.Int64Range(1, 4e12).Draw(r, label)).UTC()
		}
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"a":1}`)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fill(r, v.Field(i), v.Type().Field(i).Name)
			}
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(r, label) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), label)
		}
	case reflect.Slice:
		if n := rapid.IntRange(0, 3).Draw(r, label); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i), label)
			}
		}
	case reflect.Map:
		if rapid.Bool().Draw(r, label) {
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf(rapid.String().Draw(r, label)))
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(r, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(r, label))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(0, 1e9).Draw(r, label))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(r, label)))
	case reflect.Float64:
		v.SetFloat(rapid.Float64Range(0, 1).Draw(r, label))
	default:
		r.Fatalf("the order has a field %s of kind %s: say here how to fill it", label, v.Kind())
	}
}
