package schemas

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"
)

var golden = flag.Bool("update", false, "write the golden bytes of a schema that has none yet")

// events lists every event type; the codec must know each.
var events = []any{TaskSubmitted{}, Transcript{}, Analysis{}, TaskStatus{}, EntityChanged{}, UsageRecorded{}, AnalysisRequested{}, DeadLetter{}, AuditRecorded{}}

// full returns an event with every field set, lists with one element, so that
// golden bytes notice every field.
func full(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Struct:
		if t == timeType {
			return reflect.ValueOf(time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC))
		}
		for i := range t.NumField() {
			v.Field(i).Set(full(t.Field(i).Type))
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return reflect.ValueOf([]byte{1, 2, 3})
		}
		v.Set(reflect.Append(v, full(t.Elem())))
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(full(t.Elem()))
	case reflect.String:
		v.SetString("текст & text")
	case reflect.Int64:
		v.SetInt(42)
	case reflect.Float64:
		v.SetFloat(0.25)
	case reflect.Bool:
		v.SetBool(true)
	}
	return v
}

func TestCodecRoundTripKeepsEveryField(t *testing.T) {
	var c Codec
	for _, e := range events {
		t.Run(reflect.TypeOf(e).Name(), func(t *testing.T) {
			for _, want := range []reflect.Value{full(reflect.TypeOf(e)), reflect.ValueOf(e)} {
				b, err := c.Encode(want.Interface())
				if err != nil {
					t.Fatal(err)
				}
				got := reflect.New(reflect.TypeOf(e))
				if err := c.Decode(b, got.Interface()); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got.Elem().Interface(), want.Interface()) {
					t.Errorf("got  %+v\nwant %+v", got.Elem(), want)
				}
			}
		})
	}
}

// Bytes of every schema that was ever released must decode with today's
// structs. A schema that changes without its predecessor in avro/history, or
// without golden bytes of its own, fails here.
func TestGoldenBytesOfEveryVersionDecode(t *testing.T) {
	var c Codec
	cat, err := loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		name := reflect.TypeOf(e).Name()
		b, err := c.Encode(full(reflect.TypeOf(e)).Interface())
		if err != nil {
			t.Fatal(err)
		}
		fp, _, err := goavro.FingerprintFromSOE(b)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "golden", name+"."+hex16(fp)+".avro")
		if *golden {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("schema of %s changed: keep the old .avsc as avro/history/%s.N.avsc, then run go test ./schemas -update (%v)", name, name, err)
		} else if string(want) != string(b) {
			t.Errorf("%s encodes to other bytes than before", name)
		}
	}
	files, err := filepath.Glob("testdata/golden/*.avro")
	if err != nil || len(files) < len(events) {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fp, _, err := goavro.FingerprintFromSOE(b)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.SplitN(filepath.Base(path), ".", 2)[0]
		if _, ok := cat.fingerprint[fp]; !ok {
			t.Errorf("%s: its schema is no longer in avro/ or avro/history/", path)
			continue
		}
		for _, e := range events {
			if reflect.TypeOf(e).Name() != name {
				continue
			}
			got := reflect.New(reflect.TypeOf(e))
			if err := c.Decode(b, got.Interface()); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if got.Elem().IsZero() {
				t.Errorf("%s decoded to nothing", path)
			}
		}
	}
}

func hex16(v uint64) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 16)
	for i := range b {
		b[15-i] = digits[v&15]
		v >>= 4
	}
	return string(b)
}

// A field added with a default is readable both ways: old bytes by the new
// struct, new bytes by the old struct.
func TestSchemaEvolution(t *testing.T) {
	type Old struct {
		A string `avro:"a"`
	}
	type New struct {
		A string   `avro:"a"`
		B *float64 `avro:"b"`
		C []string `avro:"c"`
	}
	oldCodec, err := goavro.NewCodec(`{"type":"record","name":"X","fields":[{"name":"a","type":"string"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	newCodec, err := goavro.NewCodec(`{"type":"record","name":"X","fields":[{"name":"a","type":"string"},
		{"name":"b","type":["null","double"],"default":null},{"name":"c","type":{"type":"array","items":"string"},"default":[]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	half := 0.5
	oldBytes, err := oldCodec.BinaryFromNative(nil, toNative(reflect.ValueOf(Old{"x"})))
	if err != nil {
		t.Fatal(err)
	}
	newBytes, err := newCodec.BinaryFromNative(nil, toNative(reflect.ValueOf(New{"y", &half, []string{"z"}})))
	if err != nil {
		t.Fatal(err)
	}
	var n New
	native, _, err := nativeFromBinary(oldCodec, oldBytes)
	if err != nil || fromNative(native, reflect.ValueOf(&n).Elem()) != nil || n.A != "x" || n.B != nil || n.C != nil {
		t.Errorf("new reader, old bytes: %+v, %v", n, err)
	}
	var o Old
	native, _, err = nativeFromBinary(newCodec, newBytes)
	if err != nil || fromNative(native, reflect.ValueOf(&o).Elem()) != nil || o.A != "y" {
		t.Errorf("old reader, new bytes: %+v, %v", o, err)
	}
}

func TestUsageRoundTripProperty(t *testing.T) {
	var c Codec
	rapid.Check(t, func(t *rapid.T) {
		want := UsageRecorded{
			ID: rapid.String().Draw(t, "id"), Org: rapid.String().Draw(t, "org"),
			Units: rapid.Int64().Draw(t, "units"),
			At:    time.UnixMicro(rapid.Int64Range(-1<<50, 1<<52).Draw(t, "at")).UTC(),
		}
		b, err := c.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		var got UsageRecorded
		if err := c.Decode(b, &got); err != nil || got != want {
			t.Fatalf("got %+v (%v), want %+v", got, err, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	var c Codec
	for _, e := range events {
		b, err := c.Encode(full(reflect.TypeOf(e)).Interface())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range events {
			got := reflect.New(reflect.TypeOf(e))
			if c.Decode(b, got.Interface()) != nil {
				continue
			}
			if _, err := c.Encode(got.Elem().Interface()); err != nil {
				t.Fatalf("decoded, but cannot be encoded again: %v", err)
			}
		}
	})
}

func TestEveryErrorAndTermHasBothLanguages(t *testing.T) {
	for code, m := range Errors {
		if m.En == "" || m.HTTP == 0 { // text_test.go looks for the other language
			t.Errorf("code %d: %+v", code, m)
		}
	}
	for _, d := range []string{DictTone, DictResolution, DictPriority, DictFunnelStage, DictRisk, DictSales} {
		seen := map[int64]bool{}
		for _, term := range Dictionaries[d] {
			if term.ID == 0 || seen[term.ID] || term.Key == "" || term.En == "" || term.Ru == "" {
				t.Errorf("%s: %+v", d, term)
			}
			seen[term.ID] = true
		}
		if len(seen) == 0 {
			t.Errorf("dictionary %s is empty", d)
		}
	}
}

// A topic is shown by its name; what only rules of one's own know, as it is.
func TestTopicName(t *testing.T) {
	for _, c := range []struct{ key, lang, want string }{
		{"billing", "ru-RU", "Счета и начисления"}, {"billing", "en", "Billing and charges"}, {"billing", "", "Billing and charges"}, {"parrots", "ru", "parrots"}, {"", "ru", ""},
	} {
		if got := TopicName(c.key, c.lang); got != c.want {
			t.Errorf("%q in %q is %q, want %q", c.key, c.lang, got, c.want)
		}
	}
	for key, name := range topicNames {
		if name.En == "" || name.Ru == "" {
			t.Errorf("topic %s lacks a name", key)
		}
	}
}
