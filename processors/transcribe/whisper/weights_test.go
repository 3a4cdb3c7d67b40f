package whisper

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"earshot/processors/transcribe/tinymodel"
	"earshot/schemas"
)

func TestTestModelIsTheSameForTheSameSeed(t *testing.T) {
	var again, other bytes.Buffer
	if err := tinymodel.Write(&again, 1, false); err != nil || !bytes.Equal(again.Bytes(), tiny()) {
		t.Errorf("not the same bytes (%v)", err)
	}
	if err := tinymodel.Write(&other, 2, false); err != nil || bytes.Equal(other.Bytes(), tiny()) {
		t.Errorf("another seed, the same bytes (%v)", err)
	}
}

// changed is the tiny model with four bytes replaced.
func changed(at int, v uint32) []byte {
	b := bytes.Clone(tiny())
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}

// firstTensor is where the first tensor's dimensions, name length and type stand.
func firstTensor() int { return bytes.Index(tiny(), []byte("encoder.positional_embedding")) - 20 }

func TestCheckWeights(t *testing.T) {
	space := bytes.Index(tiny(), []byte("\x01\x00\x00\x00 \x06\x00\x00\x00 hello"))
	tests := []struct {
		name  string
		model []byte
		want  string // part of the error; "" = none
	}{
		{"whole", tiny(), ""},
		{"multilingual", written(true), ""},
		{"empty", nil, "cut off"},
		{"another kind of file", []byte("GGUF" + strings.Repeat("x", 100)), "does not begin"},
		{"cut in the header", tiny()[:30], "cut off"},
		{"cut in the vocabulary", tiny()[:space+3], "cut off"},
		{"cut in a tensor", tiny()[:len(tiny())/2], "cut off"},
		{"a tensor missing", tiny()[:firstTensor()], "0 tensors"},
		{"rubbish behind", append(bytes.Clone(tiny()), "more"...), "cut off"},
		{"vocabulary of another model", changed(4, 32000), "measures"},
		{"width that heads do not divide", changed(16, 7), "measures"},
		{"a token of 2 GB", changed(space, 1<<31-1), "token"},
		{"no space", changed(space+4, 0x0600|'x'), "no space"},
		{"five dimensions", changed(firstTensor(), 5), "5 dimensions"},
		{"unknown type", changed(firstTensor()+8, 99), "type 99"},
		{"negative dimension", changed(firstTensor()+12, 1<<31), "dimension"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkWeights(bytes.NewReader(tt.model), int64(len(tt.model)))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFindWeights(t *testing.T) {
	good := file(t, "ggml-tiny.en.bin", tiny())
	folder := filepath.Dir(good)
	vad := file(t, "ggml-silero.bin", silero())
	both := filepath.Dir(file(t, "a.bin", tiny()))
	two := filepath.Dir(file(t, "a.bin", tiny()))
	for path, content := range map[string][]byte{filepath.Join(two, "b.bin"): nil, filepath.Join(both, "vad.bin"): silero()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name     string
		cfg      Config
		folder   string
		embedded []byte
		want     weights // names without digest
		err      string
	}{
		{"by path", Config{Model: good}, "/nowhere", nil, weights{path: good, name: "ggml-tiny.en.bin"}, ""},
		{"by path, of two", Config{Model: good}, two, nil, weights{path: good, name: "ggml-tiny.en.bin"}, ""},
		{"the only one in the folder", Config{}, folder, tiny(), weights{path: good, name: "ggml-tiny.en.bin"}, ""},
		{"beside a Silero model", Config{}, both, nil, weights{path: both + "/a.bin", name: "a.bin", activity: both + "/vad.bin"}, ""},
		{"embedded", Config{}, t.TempDir(), tiny(), weights{name: "embedded"}, ""},
		{"embedded beside a Silero model", Config{}, filepath.Dir(vad), tiny(), weights{name: "embedded", activity: vad}, ""},
		{"Silero by path", Config{Activity: vad}, "/nowhere", tiny(), weights{name: "embedded", activity: vad}, ""},
		{"none", Config{}, t.TempDir(), nil, weights{}, "EARSHOT_WHISPER_MODEL"},
		{"no folder", Config{}, "/nowhere", nil, weights{}, "EARSHOT_WHISPER_MODEL"},
		{"two", Config{}, two, tiny(), weights{}, "2 models"},
		{"not there", Config{Model: "/nowhere/model.bin"}, folder, tiny(), weights{}, "cannot be opened"},
		{"not a model", Config{Model: file(t, "model.bin", []byte("<html>"))}, folder, tiny(), weights{}, "not a whole"},
		{"Silero for Whisper", Config{Model: vad}, folder, tiny(), weights{}, "not a whole ggml Whisper"},
		{"Whisper for Silero", Config{Activity: good}, folder, tiny(), weights{}, "not a whole ggml Silero"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, err := findWeights(tt.cfg, tt.folder, tt.embedded)
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				name, digest, _ := strings.Cut(w.name, "@sha256:")
				if w.name = name; *w != tt.want || len(digest) != 12 {
					t.Errorf("got %+v of digest %q, want %+v", w, digest, tt.want)
				}
				return
			}
			wantCode(t, err, schemas.CodeNoModel)
			if !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q does not say %q", err, tt.err)
			}
		})
	}
}

// Whatever a file says, the walk ends at its end, and passes only at its end.
func FuzzCheckWeights(f *testing.F) {
	// The same model with one mel filter instead of eighty, so that seeds are small.
	small := bytes.Clone(tiny()[:56])
	binary.LittleEndian.PutUint32(small[4+9*4:], 1)
	binary.LittleEndian.PutUint32(small[4+11*4:], 1)
	small = append(small, make([]byte, 201*4)...)
	small = append(small, tiny()[56+80*201*4:firstTensor()+200]...)
	f.Add(small, int64(len(small)))
	f.Add(small, int64(1<<40))
	f.Add(small[:48], int64(48))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if err := checkWeights(bytes.NewReader(b), size); err == nil && int64(len(b)) < size {
			t.Fatal("passed without having been read to its end")
		}
	})
}
