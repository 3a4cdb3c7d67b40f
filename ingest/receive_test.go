package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"earshot/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func left(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestReceiveKeepsTheBytesAndTheirDigest(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("audio "), 50_000)
	u, err := Receive(t.Context(), iotest.HalfReader(bytes.NewReader(data)), dir, `C:\calls\..\évil/rec 1.wav`, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(u.Path)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes are there, %v", len(got), err)
	}
	sum := sha256.Sum256(data)
	if u.Digest != hex.EncodeToString(sum[:]) || u.Bytes != int64(len(data)) || u.Name != "rec 1.wav" || filepath.Dir(u.Path) != dir {
		t.Errorf("%+v", u)
	}
	if err := errors.Join(u.Remove(), u.Remove()); err != nil || left(t, dir) != 0 {
		t.Errorf("removing twice: %v, %d files are left", err, left(t, dir))
	}
}

func TestReceiveLeavesNothingWhenItFails(t *testing.T) {
	broken := errors.New("the client went away")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		r    io.Reader
		code schemas.Code // 0: the reader's own error
	}{
		{"one byte too many", t.Context(), strings.NewReader(strings.Repeat("x", 1001)), schemas.CodeTooLarge},
		{"empty", t.Context(), strings.NewReader(""), schemas.CodeBadLength},
		{"reader fails", t.Context(), io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 0},
		{"time is over", over, strings.NewReader("abc"), schemas.CodeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Receive(c.ctx, c.r, dir, "a.wav", 1000)
			if c.code == 0 && !errors.Is(err, broken) {
				t.Errorf("got %v, want the reader's error", err)
			} else if c.code != 0 {
				wantCode(t, err, c.code)
			}
			if n := left(t, dir); n != 0 {
				t.Errorf("%d files are left", n)
			}
		})
	}
	// /dev/full is a disk without room.
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = copyBounded(t.Context(), f, sha256.New(), strings.NewReader("abc"), 1000)
	wantCode(t, err, schemas.CodeDiskFull)
}

func TestSweepTakesOnlyOldPartialFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "uploads")
	if err := Sweep(dir); err != nil {
		t.Fatal(err) // it makes the folder
	}
	old := time.Now().Add(-2 * abandoned)
	for name, when := range map[string]time.Time{partial + "OLD": old, partial + "NEW": time.Now(), "other": old} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, partial+"OLD")); !errors.Is(err, os.ErrNotExist) || left(t, dir) != 2 {
		t.Errorf("%d files are left; the old one: %v", left(t, dir), err)
	}
}

// tone makes a file with ffmpeg; the name's extension decides the format.
func tone(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := append(append([]string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=3:sample_rate=16000"}, args...), path)
	if out, err := exec.Command("ffmpeg", all...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg, which make setup installs: %v: %s", err, out)
	}
	return path
}

// wav is a file of 16-bit samples whose header may lie.
func wav(rate, channels uint32, bytesOfData int) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, v := range []any{uint32(36 + bytesOfData), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(channels), rate, rate * channels * 2,
		uint16(channels * 2), uint16(16), []byte("data"), uint32(bytesOfData), make([]byte, bytesOfData)} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// flac is a header that claims so many samples at 8000 Hz.
func flac(samples uint64) []byte {
	info := make([]byte, 34)
	binary.BigEndian.PutUint16(info[0:], 4096)
	binary.BigEndian.PutUint16(info[2:], 4096)
	binary.BigEndian.PutUint64(info[10:], 8000<<44|0<<41|15<<36|samples)
	return append([]byte("fLaC\x80\x00\x00\x22"), info...)
}

func TestProbeReadsWhatWeTake(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		args       []string
		channels   int64
	}{
		{"a.wav", "audio/wav", []string{"-ac", "2"}, 2},
		{"a.mp3", "audio/mpeg", nil, 1},
		{"a.ogg", "audio/ogg", []string{"-c:a", "libopus"}, 1},
		{"a.flac", "audio/flac", nil, 1},
		{"a.m4a", "audio/mp4", nil, 1},
		{"a.aac", "audio/aac", nil, 1},
		{"live.webm", "audio/webm", []string{"-c:a", "libopus", "-live", "1"}, 1}, // without a length in its header
	} {
		t.Run(c.name, func(t *testing.T) {
			u := Upload{Path: tone(t, c.name, c.args...)}
			if err := u.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			if u.ContentType != c.kind || u.Channels != c.channels || math.Abs(u.Seconds-3) > 0.2 {
				t.Errorf("%+v", u)
			}
		})
	}
}

// What ffprobe guesses from the first frames is no length: 2 seconds of 160
// kbit/s before a minute of 8 are to it 5 seconds.
func TestProbeMeasuresWhatIsOnlyGuessed(t *testing.T) {
	coded := func(name, rate string, more ...string) []byte {
		b, err := os.ReadFile(tone(t, name, append(more, "-b:a", rate, "-write_xing", "0", "-id3v2_version", "0")...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	minute := []string{"-af", "aloop=loop=-1:size=16000", "-t", "60"}
	frames := func(head byte, size, n int) []byte {
		return bytes.Repeat(append([]byte{head}, make([]byte, size)...), n) // of 20 ms
	}
	for name, data := range map[string][]byte{
		"mp3": append(coded("a.mp3", "160k", "-t", "2"), coded("a.mp3", "8k", minute...)...),
		"amr": slices.Concat([]byte("#!AMR\n"), frames(0x3c, 31, 100), frames(0x04, 12, 3000)),
	} {
		t.Run(name, func(t *testing.T) {
			u := Upload{Path: filepath.Join(t.TempDir(), "upload")}
			if err := os.WriteFile(u.Path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := u.Probe(t.Context()); err != nil || math.Abs(u.Seconds-62) > 0.5 {
				t.Errorf("%.1f seconds, %v", u.Seconds, err)
			}
		})
	}
}

// Nobody pays by what a header claims: a minute that says it is three seconds is
// a minute, a file that says it is longer than what it holds was cut off. The
// files are made by ffmpeg and their headers patched.
func TestProbeDoesNotBelieveHeaders(t *testing.T) {
	const rate, minute = 16000, 60 * 16000
	made := func(name string) []byte {
		b, err := os.ReadFile(tone(t, name, "-af", "aloop=loop=-1:size=16000", "-t", "60"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	flacOf := func(samples uint64) []byte { // 36 bits of STREAMINFO
		b := made("a.flac")
		word := binary.BigEndian.Uint64(b[18:])
		binary.BigEndian.PutUint64(b[18:], word&^(1<<36-1)|samples)
		return b
	}
	mp4Of := func(seconds float64) []byte { // durations of movie, track and media
		b := made("a.m4a")
		for name, at := range map[string][2]int{"mvhd": {16, 20}, "tkhd": {0, 24}, "mdhd": {16, 20}} {
			i := bytes.Index(b, []byte(name))
			scale := uint32(1000) // of the movie, which ffmpeg writes so
			if at[0] > 0 {
				scale = binary.BigEndian.Uint32(b[i+at[0]:])
			}
			binary.BigEndian.PutUint32(b[i+at[1]:], uint32(seconds*float64(scale)))
		}
		return b
	}
	wavOf := func(first uint32) []byte { // ffmpeg reads all the data chunks that there are
		b := made("a.wav")
		i := bytes.Index(b, []byte("data"))
		binary.LittleEndian.PutUint32(b[i+4:], first)
		if int(first) < len(b)-i-16 {
			copy(b[i+8+int(first):], "data")
			binary.LittleEndian.PutUint32(b[i+12+int(first):], uint32(len(b)-i-16)-first)
		}
		return b
	}
	for name, c := range map[string]struct {
		data []byte
		want float64 // 0: 4026
	}{
		"flac, true": {flacOf(minute), 60}, "flac, short": {flacOf(3 * rate), 60}, "flac, below two seconds": {flacOf(1 * rate), 60}, "flac, long": {flacOf(10 * minute), 0}, "flac, silent about it": {flacOf(0), 60},
		"mp4, true": {mp4Of(60), 60}, "mp4, short": {mp4Of(3), 60}, "mp4, long": {mp4Of(600), 60}, // the table of samples counts
		"wav, true": {wavOf(2 * minute), 60}, "wav in two parts": {wavOf(2 * 3 * rate), 57}, // the clock begins anew with the second
	} {
		t.Run(name, func(t *testing.T) {
			u := Upload{Path: filepath.Join(t.TempDir(), "upload")}
			if err := os.WriteFile(u.Path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			err := u.Probe(t.Context())
			switch {
			case c.want == 0:
				wantCode(t, err, schemas.CodeUndecodable)
			case err != nil || math.Abs(u.Seconds-c.want) > 0.5:
				t.Errorf("%.1f seconds, %v", u.Seconds, err)
			}
		})
	}
}

func TestProbeRefuses(t *testing.T) {
	read := func(path string, n int) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b[:min(n, len(b))]
	}
	playlist := "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
	for _, c := range []struct {
		name string
		data []byte
		code schemas.Code
	}{
		{"text", []byte("not audio at all, whatever its name says"), schemas.CodeBadFormat},
		{"HLS playlist", []byte(playlist), schemas.CodeBadFormat},
		{"ffconcat", []byte("ffconcat version 1.0\nfile /etc/passwd\n"), schemas.CodeBadFormat},
		{"no audio", read(tone(t, "v.mp4", "-f", "lavfi", "-i", "color=s=16x16:d=3", "-map", "1:v"), 1<<20), schemas.CodeBadFormat},
		{"1 Hz", wav(1, 1, 1<<20), schemas.CodeBadFormat},
		{"255 channels", wav(8000, 255, 8000*255*2*3), schemas.CodeBadFormat},
		{"cut ogg", read(tone(t, "a.ogg", "-c:a", "libopus"), 100), schemas.CodeUndecodable},
		{"cut mp4", read(tone(t, "a.m4a"), 300), schemas.CodeUndecodable},
		{"one second", wav(8000, 1, 16000), schemas.CodeBadLength},
		{"eleven hours", flac(11 * 3600 * 8000), schemas.CodeBadLength},
		{"no length", flac(0), schemas.CodeNoDuration},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "upload") // no extension: ffmpeg must not guess by it
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			u := Upload{Path: path}
			err := u.Probe(t.Context())
			wantCode(t, err, c.code)
		})
	}
}

// A tool that hangs is killed with everything it started.
func TestToolIsKilledAsAGroup(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := tool(ctx, "sh", "-c", "sleep 60 & sleep 60")
	wantCode(t, err, schemas.CodeUnavailable)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	var b bounded
	if n, err := b.Write(make([]byte, 2*probeOutput)); n != 2*probeOutput || err != nil || b.Len() != probeOutput {
		t.Errorf("%d bytes were kept of %d, %v", b.Len(), n, err)
	}
}
