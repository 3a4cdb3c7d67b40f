package whisper

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"earshot/processors/transcribe/speech"
)

func TestFrameRoundTrip(t *testing.T) {
	var pipe bytes.Buffer
	samples := make([]int16, 2*pieceSamples+7)
	for i := range samples {
		samples[i] = int16(i * 7919)
	}
	p := 0.25
	wantQ := question{Ask: askHear, ID: 7, Slot: 3, Threads: 2, Language: "ru", Prompt: "да"}
	wantA := answer{ID: 7, Language: "ru", Segments: []speech.Segment{{Start: 1.5, End: 2, Text: "да — \"нет\"", Confidence: &p, Tokens: 3,
		Words: []speech.Word{{Start: 1.5, End: 2, Text: "да"}}}}}
	if err := errors.Join(writeFrame(&pipe, wantQ, samples), writeFrame(&pipe, wantA, nil)); err != nil {
		t.Fatal(err)
	}
	var q question
	got, err := readFrame(&pipe, &q)
	if err != nil || q != wantQ || len(got) != len(samples) {
		t.Fatalf("got %+v, %d samples, %v", q, len(got), err)
	}
	for i, s := range samples {
		if got[i] != float32(s)/32768 {
			t.Fatalf("sample %d is %g, want %d/32768", i, got[i], s)
		}
	}
	var a answer
	if got, err := readFrame(&pipe, &a); err != nil || !reflect.DeepEqual(a, wantA) || len(got) != 0 {
		t.Errorf("got %+v, %d samples, %v", a, len(got), err)
	}
	if _, err := readFrame(&pipe, &a); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// Whatever arrives, a frame is never more than what arrived, and half of one
// is an error, but not the end.
func FuzzReadFrame(f *testing.F) {
	var whole bytes.Buffer
	if err := writeFrame(&whole, question{Ask: askOpen, Model: "m"}, []int16{1, 2}); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte("\x00\x00\x00\x02\x03\xff\xff\xff{}abc"))
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var q question
		r := bytes.NewReader(b)
		samples, err := readFrame(r, &q)
		if errors.Is(err, io.EOF) && len(b) > 0 {
			t.Fatalf("%d bytes taken for nothing at all", len(b))
		}
		if err == nil && 8+2*len(samples) > len(b) {
			t.Fatalf("%d samples from %d bytes", len(samples), len(b))
		}
	})
}
