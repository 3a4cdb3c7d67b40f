package schemas

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
)

// registry answers the part of Confluent's schema registry API that a codec
// uses: register, fetch by id.
func registry(t *testing.T) *httptest.Server {
	var mu sync.Mutex
	var texts []string
	idOf := func(text string) int {
		mu.Lock()
		defer mu.Unlock()
		for i, have := range texts {
			if have == text {
				return i + 1
			}
		}
		texts = append(texts, text)
		return len(texts)
	}
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /subjects/{subject}/versions", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Schema string `json:"schema"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		answer(w, map[string]any{"id": idOf(body.Schema)})
	})
	mux.HandleFunc("GET /schemas/ids/{id}", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var id int
		if err := json.Unmarshal([]byte(r.PathValue("id")), &id); err != nil || id < 1 || id > len(texts) {
			http.NotFound(w, r)
			return
		}
		answer(w, map[string]any{"schema": texts[id-1]})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// With a schema registry events travel in Confluent's wire format, and another
// process that knows only the registry's address reads them; so does it the
// single-object encoding of before the registry was set.
func TestConfluentWireFormat(t *testing.T) {
	server := registry(t)
	writer, err := NewCodec(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := NewCodec(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var plain Codec
	for _, e := range events {
		want := full(reflect.TypeOf(e)).Interface()
		for name, c := range map[string]*Codec{"confluent": writer, "single object": &plain} {
			b, err := c.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			if (b[0] == 0) != (c == writer) {
				t.Errorf("%T, %s: first byte %#x", e, name, b[0])
			}
			got := reflect.New(reflect.TypeOf(e))
			if err := reader.Decode(b, got.Interface()); err != nil {
				t.Fatalf("%T, %s: %v", e, name, err)
			}
			if !reflect.DeepEqual(got.Elem().Interface(), want) {
				t.Errorf("%T, %s: got %+v", e, name, got.Elem())
			}
			if c == writer && plain.Decode(b, reflect.New(reflect.TypeOf(e)).Interface()) == nil {
				t.Errorf("%T: Confluent bytes decoded without a registry", e)
			}
		}
	}
}
