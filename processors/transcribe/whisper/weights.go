package whisper

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"earshot/processors/transcribe/hub"
	"earshot/schemas"
)

// howToGet ends every message that says there is no model.
func howToGet(folder string) schemas.Text {
	return schemas.T("get one with `earshot model get base`, or set EARSHOT_WHISPER_MODEL to the path of a ggml Whisper model, or put it into the folder %s", folder)
}

// weights are the checked models that an engine loads.
type weights struct {
	path     string // of the Whisper model; "" = the embedded one
	name     string // file name and digest, as transcripts carry it
	activity string // path of the Silero model; "" = there is none
}

// findWeights checks the models that cfg names or, where it names none, those
// in folder; without a Whisper model there it is the embedded one. Errors have
// CodeNoModel and say what to do.
func findWeights(cfg Config, folder string, embedded []byte) (*weights, error) {
	found := &weights{path: cfg.Model, activity: cfg.Activity}
	if err := found.look(folder); err != nil {
		return nil, err
	}
	if found.activity != "" {
		if _, err := checkFile(found.activity, "Silero", folder, checkSilero); err != nil {
			return nil, err
		}
	}
	var digest string
	var err error
	switch {
	case found.path != "":
		if digest, err = checkFile(found.path, "Whisper", folder, checkWeights); err != nil {
			return nil, err
		}
		found.name = filepath.Base(found.path)
	case len(embedded) > 0:
		sum := sha256.Sum256(embedded)
		found.name, digest = "embedded", hex.EncodeToString(sum[:])
	default:
		return nil, schemas.Fail(schemas.CodeNoModel, "%s", howToGet(folder))
	}
	found.name += "@sha256:" + digest[:12]
	return found, nil
}

// look fills in what is not named from the folder.
func (w *weights) look(folder string) (err error) {
	if w.path == "" {
		w.path, err = hub.Current(folder, hub.Whisper)
	}
	if err == nil && w.activity == "" {
		w.activity, err = hub.Current(folder, hub.Silero)
	}
	if err != nil {
		return schemas.Fail(schemas.CodeNoModel, "%v", err)
	}
	return nil
}

// checkFile returns the digest of a whole model.
func checkFile(path, kind, folder string, check func(io.ReaderAt, int64) error) (digest string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", schemas.Because(schemas.CodeNoModel, err, "the file %s cannot be opened; %s", path, howToGet(folder))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("model %s: %w", path, err)
	}
	if err := check(f, info.Size()); err != nil {
		return "", schemas.Because(schemas.CodeNoModel, err, "%s is not a whole ggml %s model; %s", path, kind, howToGet(folder))
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read model %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// block is how many values of a tensor share how many bytes.
type block struct{ values, bytes int64 }

// blocks are the tensor types that Whisper models come in (ggml.h, ggml_type;
// sizes in ggml-common.h).
var blocks = map[int32]block{
	0: {1, 4}, 1: {1, 2}, 30: {1, 2}, // F32, F16, BF16
	2: {32, 18}, 3: {32, 20}, 6: {32, 22}, 7: {32, 24}, 8: {32, 34}, // Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
	10: {256, 84}, 11: {256, 110}, 12: {256, 144}, 13: {256, 176}, 14: {256, 210}, // Q2_K to Q6_K
}

// magic begins a ggml file; in it, little endian, "lmgg".
const magic = 0x67676d6c

// checkWeights walks a ggml Whisper model of size bytes from end to end, as
// whisper.cpp's own reader does without looking: it trusts lengths, writes to
// fixed arrays by a number from the file, and takes a model without tensors
// for a test.
func checkWeights(r io.ReaderAt, size int64) error {
	w := &walk{r: r, size: size}
	if w.int() != magic {
		return w.fail("it does not begin as a ggml file does")
	}
	var h [11]int32
	for i := range h {
		h[i] = w.int()
	}
	vocabulary, context, state, head, layers, textContext, textState, textHead, textLayers, mels := h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9]
	if vocabulary < 51864 || vocabulary > 51866 || !within(context, 1, 1500) || !within(state, 1, 8192) || !within(head, 1, state) ||
		state%head != 0 || !within(layers, 1, 128) || !within(textContext, 1, 4096) || textState != state || !within(textHead, 1, textState) ||
		textState%textHead != 0 || !within(textLayers, 1, 128) || !within(mels, 1, 128) {
		return w.fail("its measures %v are not those of a Whisper model", h)
	}
	if bands, bins := w.int(), w.int(); bands != mels || bins != 201 {
		return w.fail("its filters are %d by %d, want %d by 201", bands, bins, mels)
	}
	w.skip(int64(mels) * 201 * 4)
	if err := w.vocabulary(vocabulary); err != nil {
		return err
	}
	return w.tensors(11 + 15*int(layers) + 24*int(textLayers))
}

func within(v, low, high int32) bool { return low <= v && v <= high }

// walk reads little-endian numbers and remembers that it ran over the end.
type walk struct {
	r        io.ReaderAt
	at, size int64
	over     bool
}

func (w *walk) fail(format string, args ...any) error {
	if w.over {
		return fmt.Errorf("it is cut off: %d bytes, more are needed", w.size)
	}
	return fmt.Errorf(format, args...)
}

// take returns the next n bytes, or zeros at the end of the file.
func (w *walk) take(n int) []byte {
	b := make([]byte, n)
	if w.over || w.at+int64(n) > w.size {
		w.over = true
		return b
	}
	if _, err := w.r.ReadAt(b, w.at); err != nil {
		w.over = true
	}
	w.at += int64(n)
	return b
}

func (w *walk) int() int32 { return int32(binary.LittleEndian.Uint32(w.take(4))) }

func (w *walk) skip(n int64) {
	if n < 0 || n > w.size-w.at {
		w.over = true
		return
	}
	w.at += n
}

func (w *walk) vocabulary(most int32) error {
	n := w.int()
	if w.over || !within(n, 1, most) {
		return w.fail("its vocabulary has %d tokens, want 1 to %d", n, most)
	}
	space := false // without it whisper.cpp throws
	for range n {
		length := w.int()
		if w.over || !within(length, 0, 1024) {
			return w.fail("a token of %d bytes", length)
		}
		space = string(w.take(int(length))) == " " || space
	}
	if !space {
		return w.fail("its vocabulary has no space")
	}
	return nil
}

func (w *walk) tensors(want int) error {
	n := 0
	for ; w.at < w.size; n++ {
		dimensions, length, kind := w.int(), w.int(), w.int()
		b, known := blocks[kind]
		if w.over || !within(dimensions, 0, 3) || !within(length, 1, 128) || !known {
			return w.fail("tensor %d has %d dimensions, a name of %d bytes and type %d", n, dimensions, length, kind)
		}
		values := int64(1)
		for range dimensions {
			d := w.int()
			if !within(d, 1, 1<<20) {
				return w.fail("tensor %d has a dimension of %d", n, d)
			}
			values *= int64(d) // three times 2^20 fits
		}
		name := w.take(int(length))
		if values > 1<<31-1 || values%b.values != 0 || strings.ContainsFunc(string(name), func(c rune) bool { return c < '.' || c > 'z' }) {
			return w.fail("tensor %q has %d values", name, values)
		}
		w.skip(values / b.values * b.bytes)
		if w.over {
			return w.fail("")
		}
	}
	if n != want {
		return w.fail("it has %d tensors, want %d", n, want)
	}
	return nil
}

// sileroType is what a Silero model calls itself, after the magic.
const sileroType = "silero-16k"

// checkSilero walks a ggml Silero model of size bytes from end to end: what
// whisper.cpp trusts, as in checkWeights. The measures are those that its graph
// is written for.
func checkSilero(r io.ReaderAt, size int64) error {
	w := &walk{r: r, size: size}
	if w.int() != magic || w.int() != int32(len(sileroType)) || string(w.take(len(sileroType))) != sileroType {
		return w.fail("it does not begin as a Silero model does")
	}
	w.skip(3 * 4) // version
	want := []int32{ActivityFrame, 64, 4, 129, 128, 3, 128, 64, 3, 64, 64, 3, 64, 128, 3, 128, 128, 128, 1}
	got := make([]int32, len(want))
	for i := range got {
		got[i] = w.int()
	}
	if !slices.Equal(got, want) {
		return w.fail("its measures %v are not those of Silero 5 or 6", got)
	}
	return w.tensors(15)
}
