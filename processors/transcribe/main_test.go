package transcribe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"earshot/processors/transcribe/model"
	"earshot/processors/transcribe/tinymodel"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
)

// The test binary is its own recogniser, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == whisper.Command {
		os.Exit(whisper.ChildMain(os.Stdin, os.Stdout, model.Weights))
	}
	goleak.VerifyTestMain(m)
}

func testConfig() Config {
	return Config{Whisper: whisper.Config{Slots: 1, Threads: 1, Patience: 20}, Longest: 2 * time.Hour, FFmpeg: "ffmpeg", Memory: 1024}
}

var tiny = sync.OnceValue(func() []byte { return written(false) })

func written(multilingual bool) []byte {
	var b bytes.Buffer
	if err := tinymodel.Write(&b, 1, multilingual); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// tone is a sine wave at half of full scale.
func tone(hz float64, seconds float64, rate int) []int16 {
	samples := make([]int16, int(seconds*float64(rate)))
	for i := range samples {
		samples[i] = int16(16384 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return samples
}

func silence(seconds float64, rate int) []int16 { return make([]int16, int(seconds*float64(rate))) }

// babble is a sound that changes like speech does: syllables of a random
// pitch with overtones, anew every twenty seconds. The seed makes one voice
// differ from another.
func babble(seed, seconds float64) []int16 {
	samples := make([]int16, int(min(seconds, 20)*rate))
	for i := range samples {
		at := float64(i) / rate
		syllable := math.Floor(at * 4)
		phase := 2 * math.Pi * at * math.Floor(100+200*math.Abs(math.Sin(seed*12.9898+syllable*78.233)))
		timbre := math.Abs(math.Sin(seed*4.1414 + syllable*31.77))
		envelope := math.Sin(math.Pi * (at*4 - syllable))
		v := math.Sin(phase) + timbre*math.Sin(3*phase) + timbre*timbre*math.Sin(7*phase) + math.Sin(11*phase)/4
		samples[i] = int16(6000 * envelope * v)
	}
	return slices.Repeat(samples, int(math.Ceil(seconds/20)))[:int(seconds*rate)]
}

// wavFile writes 16 bit PCM.
func wavFile(t testing.TB, rate int, channels ...[]int16) string {
	t.Helper()
	n := len(channels[0])
	size := n * len(channels) * 2
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(36+size))
	b = binary.LittleEndian.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(channels)))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*2*len(channels)))
	b = binary.LittleEndian.AppendUint16(b, uint16(2*len(channels)))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), uint32(size))
	mixed := make([]int16, 0, n*len(channels))
	for i := range n {
		for _, c := range channels {
			mixed = append(mixed, c[i])
		}
	}
	for _, s := range mixed {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return file(t, "recording.wav", b)
}

func file(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func head(t testing.TB, path string, bytes int) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, filepath.Base(path), b[:bytes])
}

// encoded makes a file with ffmpeg; args are its input and codec.
func encoded(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("ffmpeg", slices.Concat([]string{"-nostdin", "-v", "error"}, args, []string{path})...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
	return path
}

// wantCode fails unless err is the record's fault with that code; 0 wants a
// fault of ours.
func wantCode(t testing.TB, err error, want schemas.Code) {
	t.Helper()
	fault, ok := schemas.RecordFault(err)
	switch {
	case err == nil:
		t.Errorf("got no error, want code %d", want)
	case ok != (want != 0), ok && fault.Code != want:
		t.Errorf("got %v, want code %d", err, want)
	}
}

// collect reads a recording to its end.
func collect(r *recording, most int) (channels [][]int16, windows int, err error) {
	channels = make([][]int16, r.channels)
	for {
		w, err := r.next(most)
		if errors.Is(err, io.EOF) {
			return channels, windows, nil
		}
		if err != nil {
			return channels, windows, err
		}
		windows++
		if w.from != int64(len(channels[0])) {
			return channels, windows, errors.New("windows do not follow each other")
		}
		for c := range channels {
			channels[c] = append(channels[c], w.channels[c]...)
		}
	}
}

// await waits until what it names has come true.
func await(t testing.TB, what string, come func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !come(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// running is a line of the process table.
type running struct {
	pid, parent, group int
	ticks              int // CPU used, in hundredths of a second
}

// processes are the living ones, from /proc.
func processes(t testing.TB) (all []running) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state parent group ... user and system time are 14th and 15th
		var p running
		var state string
		var user, system int
		rest := string(stat[bytes.LastIndexByte(stat, ')')+1:])
		if _, err := fmt.Sscan(rest, &state, &p.parent, &p.group); err != nil || state == "Z" {
			continue
		}
		fields := strings.Fields(rest)
		if _, err := fmt.Sscan(string(stat), &p.pid); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
			t.Fatal(err)
		}
		p.ticks = user + system
		all = append(all, p)
	}
	return all
}

func inGroup(t testing.TB, group int) (members []running) {
	for _, p := range processes(t) {
		if p.group == group {
			members = append(members, p)
		}
	}
	return members
}

func scale(samples []int16, by float64) []int16 {
	out := make([]int16, len(samples))
	for i, s := range samples {
		out[i] = int16(float64(s) * by)
	}
	return out
}

// says is a text in a voice of espeak-ng.
func says(t testing.TB, voice, text string) []int16 {
	t.Helper()
	wav, err := exec.Command("espeak-ng", "-v", voice, "-s", "165", "--stdout", "--", text).Output()
	if err != nil {
		t.Fatalf("espeak-ng: %v", err)
	}
	decode := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", "pipe:0", "-ar", fmt.Sprint(rate), "-f", "s16le", "pipe:1")
	decode.Stdin = bytes.NewReader(wav)
	raw, err := decode.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	samples := make([]int16, len(raw)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return samples
}

// speaks is ten seconds of one voice.
func speaks(t testing.TB, voice string) []int16 {
	t.Helper()
	samples := says(t, voice, "The parcel that I ordered three weeks ago has still not arrived, and nobody can tell me where it is or when it will be here, although I have asked for it every single day since then, by telephone and by letter.")
	return append(samples, silence(10, rate)...)[:10*rate]
}
