package schemas

import (
	"fmt"
	"reflect"
	"sync"
	"time"
)

// goavro speaks map[string]any. These functions turn an event struct into
// such a map and back, by its `avro` tags; the shapes are fixed, so that the
// avsc files stay the contract and the structs follow it (schemas_test.go
// proves that they do):
//
//	string, int64, float64, bool, []byte   themselves
//	time.Time                              ["null", timestamp-micros], null for the zero time
//	*float64, *int64, *struct              ["null", double|long|record]
//	struct, []T                            record, array

const microsKey = "long.timestamp-micros"

var timeType = reflect.TypeOf(time.Time{})

type field struct {
	name  string
	index int
}

var plans sync.Map // reflect.Type -> []field

func fieldsOf(t reflect.Type) []field {
	if p, ok := plans.Load(t); ok {
		return p.([]field)
	}
	var fs []field
	for i := 0; i < t.NumField(); i++ {
		if name := t.Field(i).Tag.Get("avro"); name != "" {
			fs = append(fs, field{name, i})
		}
	}
	plans.Store(t, fs)
	return fs
}

func toNative(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			t := v.Interface().(time.Time)
			if t.IsZero() {
				return nil
			}
			return map[string]any{microsKey: t.UTC()}
		}
		fs := fieldsOf(v.Type())
		m := make(map[string]any, len(fs))
		for _, f := range fs {
			m[f.name] = toNative(v.Field(f.index))
		}
		return m
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes()
		}
		a := make([]any, v.Len())
		for i := range a {
			a[i] = toNative(v.Index(i))
		}
		return a
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		switch v.Elem().Kind() {
		case reflect.Float64:
			return map[string]any{"double": v.Elem().Float()}
		case reflect.Struct:
			return map[string]any{"earshot." + v.Elem().Type().Name(): toNative(v.Elem())}
		}
		return map[string]any{"long": v.Elem().Int()}
	}
	return v.Interface()
}

// fromNative fills dst. A field the writer did not know keeps its zero value;
// a field the reader does not know is skipped: that is what makes a change
// backward compatible.
func fromNative(native any, dst reflect.Value) error {
	if native == nil {
		return nil
	}
	switch dst.Kind() {
	case reflect.Struct:
		if dst.Type() == timeType {
			return setTime(native, dst)
		}
		m, ok := native.(map[string]any)
		if !ok {
			return fmt.Errorf("want a record, got %T", native)
		}
		for _, f := range fieldsOf(dst.Type()) {
			if err := fromNative(m[f.name], dst.Field(f.index)); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
		return nil
	case reflect.Slice:
		if b, ok := native.([]byte); ok {
			if len(b) > 0 {
				dst.SetBytes(b)
			}
			return nil
		}
		a, ok := native.([]any)
		if !ok {
			return fmt.Errorf("want an array, got %T", native)
		}
		if len(a) == 0 {
			return nil
		}
		dst.Set(reflect.MakeSlice(dst.Type(), len(a), len(a)))
		for i := range a {
			if err := fromNative(a[i], dst.Index(i)); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if u, ok := native.(map[string]any); ok {
			for _, v := range u { // a union holds exactly one branch
				native = v
			}
		}
		if err := fromNative(native, p.Elem()); err != nil {
			return err
		}
		dst.Set(p)
		return nil
	}
	v := reflect.ValueOf(native)
	if v.Type() != dst.Type() {
		return fmt.Errorf("want %s, got %T", dst.Type(), native)
	}
	dst.Set(v)
	return nil
}

func setTime(native any, dst reflect.Value) error {
	if u, ok := native.(map[string]any); ok {
		native = u[microsKey]
	}
	t, ok := native.(time.Time)
	if !ok {
		return fmt.Errorf("want a timestamp, got %T", native)
	}
	dst.Set(reflect.ValueOf(t.UTC()))
	return nil
}
