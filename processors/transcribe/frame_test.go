package transcribe

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

func TestFrameRoundTrip(t *testing.T) {
	var pipe bytes.Buffer
	wantQ, wantBody := question{Ask: askTranscribe, Language: "ru"}, bytes.Repeat([]byte{1, 2}, 100_000)
	wantA := answer{Language: "ru", Segments: []heard{{Start: 1.5, End: 2, Text: "да — \"нет\"", Confidence: 0.25, Tokens: 3}}}
	if err := errors.Join(writeFrame(&pipe, wantQ, wantBody), writeFrame(&pipe, wantA, nil)); err != nil {
		t.Fatal(err)
	}
	var q question
	if body, err := readFrame(&pipe, &q); err != nil || q != wantQ || !bytes.Equal(body, wantBody) {
		t.Errorf("got %+v, %d bytes, %v", q, len(body), err)
	}
	var a answer
	if body, err := readFrame(&pipe, &a); err != nil || !reflect.DeepEqual(a, wantA) || len(body) != 0 {
		t.Errorf("got %+v, %d bytes, %v", a, len(body), err)
	}
	if _, err := readFrame(&pipe, &a); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// Whatever arrives, a frame is never more than what arrived, and half of one
// is an error, but not the end.
func FuzzReadFrame(f *testing.F) {
	var whole bytes.Buffer
	if err := writeFrame(&whole, question{Ask: askOpen, Model: "m"}, []byte("abcd")); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte("\x00\x00\x00\x02\x03\xff\xff\xff{}abc"))
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var q question
		r := bytes.NewReader(b)
		body, err := readFrame(r, &q)
		if errors.Is(err, io.EOF) && len(b) > 0 {
			t.Fatalf("%d bytes taken for nothing at all", len(b))
		}
		if err == nil && 8+len(body) > len(b) {
			t.Fatalf("%d bytes of body from %d", len(body), len(b))
		}
	})
}
