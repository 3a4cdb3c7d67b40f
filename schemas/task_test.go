package schemas

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

// A registry that is down is no fault of the record; a schema that it does not
// have is.
func TestRegistryFaultsAreTold(t *testing.T) {
	status := http.StatusServiceUnavailable
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer registry.Close()
	c, err := NewCodec(registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	value := []byte{0, 0, 0, 0, 7, 1, 2, 3}
	for code, want := range map[int]error{http.StatusServiceUnavailable: ErrRegistry, http.StatusNotFound: ErrUnknownSchema} {
		status = code
		if err := c.Decode(value, &TaskStatus{}); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", code, err, want)
		}
		if _, err := c.DecodeTask(value); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", code, err, want)
		}
	}
}

func TestDecodeTaskReadsTheTaskAlone(t *testing.T) {
	var c Codec
	for _, e := range events {
		event := full(reflect.TypeOf(e))
		b, err := c.Encode(event.Interface())
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.DecodeTask(b)
		if err := c.Readable(b, e); err != nil {
			t.Errorf("%T: %v", e, err)
		}
		if c.Readable(b, DeadLetter{}) == nil && reflect.TypeOf(e) != reflect.TypeOf(DeadLetter{}) || c.Readable(b[1:], e) == nil {
			t.Errorf("%T: readable as something else", e)
		}
		task := event.FieldByName("Task")
		if !task.IsValid() {
			if err == nil {
				t.Errorf("%T has no task, got %+v", e, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, task.Interface()) {
			t.Errorf("%T: got %+v (%v), want %+v", e, got, err, task)
		}
		if _, err := c.DecodeTask(b[:len(b)/4]); err == nil {
			t.Errorf("%T: cut short, and yet a task", e)
		}
	}
}

func TestRecordVersionIsTheStatusVersion(t *testing.T) {
	var c Codec
	for _, want := range []any{TaskStatus{Version: 30}, UsageRecorded{}} {
		r, err := c.Record(TopicStatus, "test", want)
		if err != nil {
			t.Fatal(err)
		}
		v, ok := RecordVersion(r)
		if status, is := want.(TaskStatus); is != ok || v != status.Version {
			t.Errorf("%T: version %d, %v", want, v, ok)
		}
	}
}
