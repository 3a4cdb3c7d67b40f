//go:build whisper

package transcribe

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"earshot/processors/measure"
	"earshot/schemas"
)

func newTranscriber(t testing.TB, cfg Config, model []byte) *Transcriber {
	t.Helper()
	if model != nil {
		cfg.Whisper.Model = file(t, "ggml-tiny.bin", model)
	}
	tr, err := New(cfg, measure.Config{Silence: 3 * time.Second}, t.TempDir(), quietLog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

func transcribe(t testing.TB, tr *Transcriber, s schemas.TaskSubmitted, path string) schemas.Transcript {
	t.Helper()
	got, err := tr.Transcribe(t.Context(), s, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// texts are the texts of a channel, in order.
func texts(tr schemas.Transcript, channel int64) (all []string) {
	for _, u := range tr.Utterances {
		if u.Channel == channel {
			all = append(all, u.Text)
		}
	}
	return all
}

func speakers(tr schemas.Transcript) string {
	var all []string
	for _, u := range tr.Utterances {
		if !slices.Contains(all, u.Speaker) {
			all = append(all, u.Speaker)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// The words of a channel are those of that voice alone; who speaks and from
// where that is known follows from the channels.
func TestChannels(t *testing.T) {
	tr := newTranscriber(t, testConfig(), tiny())
	a, b, none := speaks(t, "en-us+f3"), speaks(t, "en-gb-x-rp+m3"), silence(10, rate)
	onlyA := texts(transcribe(t, tr, schemas.TaskSubmitted{}, wavFile(t, rate, a)), 0)
	onlyB := texts(transcribe(t, tr, schemas.TaskSubmitted{}, wavFile(t, rate, b)), 0)
	if len(onlyA) == 0 || slices.Equal(onlyA, onlyB) {
		t.Fatalf("the voices cannot be told apart: %q, %q", onlyA, onlyB)
	}
	swapped := []schemas.Channel{{Index: 0, Role: schemas.RoleCustomer}, {Index: 1, Role: schemas.RoleOperator}}
	tests := []struct {
		name     string
		channels [][]int16
		given    []schemas.Channel
		left     []string
		right    []string
		source   string
		speakers string
	}{
		{"stereo", [][]int16{a, b}, nil, onlyA, onlyB, "channel", "customer operator"},
		{"stereo the other way round", [][]int16{b, a}, nil, onlyB, onlyA, "channel", "customer operator"},
		{"stated roles", [][]int16{a, b}, swapped, onlyA, onlyB, "channel", "customer operator"},
		{"mono", [][]int16{a}, nil, onlyA, nil, "text", "unknown"},
		{"mono of a two-sided source", [][]int16{a}, swapped, onlyA, nil, "text", "unknown"},
		{"one side alone, as stated", [][]int16{a}, swapped[:1], onlyA, nil, "channel", "customer"},
		{"mono stored as stereo", [][]int16{a, a}, nil, onlyA, nil, "text", "unknown"},
		{"mono stored as stereo, stated", [][]int16{a, scale(a, 0.5)}, swapped, onlyA, nil, "text", "unknown"},
		{"right silent", [][]int16{a, none}, nil, onlyA, nil, "text", "unknown"},
		{"left silent", [][]int16{none, b}, nil, nil, onlyB, "text", "unknown"},
		{"customer silent, as stated", [][]int16{none, b}, swapped, nil, onlyB, "channel", "operator"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := transcribe(t, tr, schemas.TaskSubmitted{Channels: tt.given}, wavFile(t, rate, tt.channels...))
			left, right := strings.Join(texts(got, 0), " "), strings.Join(texts(got, 1), " ")
			if left != strings.Join(tt.left, " ") || right != strings.Join(tt.right, " ") {
				t.Errorf("got %q | %q, want %q | %q", left, right, tt.left, tt.right)
			}
			if got.RoleSource != tt.source || speakers(got) != tt.speakers {
				t.Errorf("got %s from %s, want %s from %s", speakers(got), got.RoleSource, tt.speakers, tt.source)
			}
			if tt.given != nil && tt.source == "channel" && got.Utterances[0].Speaker != tt.given[got.Utterances[0].Channel].Role {
				t.Errorf("channel %d is %s", got.Utterances[0].Channel, got.Utterances[0].Speaker)
			}
		})
	}
}

// In a recording of anything nobody is made an operator, neither by channel nor
// by what is said; who is on which channel may be stated.
func TestRecordingsHaveNoRoles(t *testing.T) {
	tr := newTranscriber(t, testConfig(), tiny())
	a, b := speaks(t, "en-us+f3"), speaks(t, "en-gb-x-rp+m3")
	task := schemas.Task{Type: schemas.TypeAudio, Source: schemas.SourceAudio}
	for name, c := range map[string]struct {
		channels [][]int16
		given    []schemas.Channel
		want     string
	}{
		"mono":   {[][]int16{a}, nil, "unknown"},
		"voices": {[][]int16{slices.Concat(a, b, a, b)}, nil, "unknown"},
		"stereo": {[][]int16{a, b}, nil, "unknown"},
		"stated": {[][]int16{a, b}, []schemas.Channel{{Index: 0, Role: schemas.RoleCustomer}, {Index: 1, Role: schemas.RoleOperator}}, "customer operator"},
	} {
		got := transcribe(t, tr, schemas.TaskSubmitted{Task: task, Channels: c.given}, wavFile(t, rate, c.channels...))
		if speakers(got) != c.want || got.Sound.RoleConfidence != nil {
			t.Errorf("%s: %s, sure %v", name, speakers(got), got.Sound.RoleConfidence)
		}
	}
}

func TestTranscript(t *testing.T) {
	tr := newTranscriber(t, testConfig(), tiny())
	got := transcribe(t, tr, schemas.TaskSubmitted{Task: schemas.Task{Code: "c"}}, wavFile(t, rate, babble(1, 40), babble(2, 40)))
	if got.Task.Code != "c" || got.Task.Seconds != 40 || got.Version != 1 || got.Language != "en" || got.NoSpeech || got.CreatedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	if !strings.HasPrefix(got.Engine, "whisper.cpp 1.") || !strings.HasPrefix(got.Model, "ggml-tiny.bin@sha256:") {
		t.Errorf("made by %q with %q", got.Engine, got.Model)
	}
	if !slices.IsSortedFunc(got.Utterances, func(a, b schemas.Utterance) int { return cmp.Compare(*a.Start, *b.Start) }) {
		t.Error("not in the order of time")
	}
	for i, u := range got.Utterances {
		if u.Turn != int64(i) || u.Text == "" || *u.Start < 0 || *u.End < *u.Start || *u.End > 40 || *u.Confidence <= 0 || *u.Confidence > 1 {
			t.Errorf("turn %d: %+v %g-%g %g", i, u, *u.Start, *u.End, *u.Confidence)
		}
	}
}

// Times are those of the recording, silence before and between included, and
// what the model makes up over silence is dropped.
func TestClock(t *testing.T) {
	tr := newTranscriber(t, testConfig(), tiny())
	tr.window = 60 * rate // so that this is three
	path := wavFile(t, rate, slices.Concat(silence(37, rate), babble(1, 30), silence(70, rate), babble(1, 30)))
	got := transcribe(t, tr, schemas.TaskSubmitted{}, path)
	first, last := *got.Utterances[0].Start, *got.Utterances[len(got.Utterances)-1].End
	if first < 33 || first > 45 || last < 137 || last > 167 {
		t.Errorf("speech from %g to %g, want 37 to 167", first, last)
	}
	for _, u := range got.Utterances {
		if *u.End < 37 || *u.Start > 67.5 && *u.End < 136.5 {
			t.Errorf("%q was heard in silence, %g to %g", u.Text, *u.Start, *u.End)
		}
	}
	if again := transcribe(t, tr, schemas.TaskSubmitted{}, path); !slices.EqualFunc(again.Utterances, got.Utterances, sameUtterance) {
		t.Error("the same recording, another transcript")
	}
}

func sameUtterance(a, b schemas.Utterance) bool {
	return a.Text == b.Text && *a.Start == *b.Start && *a.End == *b.End && *a.Confidence == *b.Confidence
}

func TestNoSpeech(t *testing.T) {
	tr := newTranscriber(t, testConfig(), tiny())
	got := transcribe(t, tr, schemas.TaskSubmitted{}, wavFile(t, 8000, silence(5, 8000), silence(5, 8000)))
	if !got.NoSpeech || len(got.Utterances) != 0 || got.Language != "und" || got.RoleSource != "text" {
		t.Errorf("got %+v", got)
	}
}

func TestLanguage(t *testing.T) {
	english, many := newTranscriber(t, testConfig(), tiny()), newTranscriber(t, testConfig(), written(true))
	path := wavFile(t, rate, babble(1, 5))
	tests := []struct {
		name  string
		tr    *Transcriber
		asked string
		want  []string // any of these
		code  schemas.Code
	}{
		{"detected", many, "", []string{"en", "ru"}, 0},
		{"forced", many, "ru", []string{"ru"}, 0},
		{"forced with a region", many, "EN_us", []string{"en"}, 0},
		{"Javanese", many, "jv", []string{"jv"}, 0},
		{"no such language", many, "xx", nil, schemas.CodeInvalid},
		{"English only", english, "", []string{"en"}, 0},
		{"English only, asked for Russian", english, "ru", nil, schemas.CodeNoModel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.tr.Transcribe(t.Context(), schemas.TaskSubmitted{Task: schemas.Task{Language: tt.asked}}, path, Options{})
			if tt.code != 0 {
				wantCode(t, err, tt.code)
			} else if err != nil || !slices.Contains(tt.want, got.Language) {
				t.Errorf("got %q (%v), want %q", got.Language, err, tt.want)
			}
		})
	}
}

// What was heard is paid for: neither what a header claims, nor a minute more for
// the silence with which an encoder fills its last frame.
func TestTheLengthHeardCounts(t *testing.T) {
	tr, path := newTranscriber(t, testConfig(), tiny()), wavFile(t, rate, babble(1, 20))
	for claimed, want := range map[float64]float64{0: 20, 3: 20, 19.8: 19.8, 20.4: 20.4, 22: 20} {
		got := transcribe(t, tr, schemas.TaskSubmitted{Task: schemas.Task{Seconds: claimed, ContentType: "audio/flac"}}, path)
		if got.Task.Seconds != want {
			t.Errorf("of 20 seconds that are said to be %g, %g are paid for, want %g", claimed, got.Task.Seconds, want)
		}
	}
}

func TestTaskEndsInError(t *testing.T) {
	good, whole := wavFile(t, 8000, tone(300, 20, 8000)), newTranscriber(t, testConfig(), tiny())
	sixty := schemas.Task{Seconds: 60, ContentType: "audio/wav"}
	noModel := testConfig()
	noModel.Whisper.Model = filepath.Join(t.TempDir(), "none.bin")
	mp3 := schemas.Task{Seconds: 60, ContentType: "audio/mpeg"}
	tests := []struct {
		name string
		tr   *Transcriber
		task schemas.Task
		path string
		want schemas.Code // 0 = no error
	}{
		{"no such model", newTranscriber(t, noModel, nil), schemas.Task{}, good, schemas.CodeNoModel},
		{"half a model", newTranscriber(t, testConfig(), tiny()[:1<<20]), schemas.Task{}, good, schemas.CodeNoModel},
		{"a third of what the header says", whole, sixty, good, schemas.CodeUndecodable},
		{"a length that was only guessed", whole, mp3, good, 0},
		{"too short", whole, schemas.Task{}, wavFile(t, 8000, tone(300, 1, 8000)), schemas.CodeBadLength},
		{"not audio", whole, schemas.Task{}, file(t, "a.wav", []byte("This is no recording.\n")), schemas.CodeUndecodable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.tr.Transcribe(t.Context(), schemas.TaskSubmitted{Task: tt.task}, tt.path, Options{})
			if tt.want != 0 {
				wantCode(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSlotsWorkAtOnce(t *testing.T) {
	cfg := testConfig()
	cfg.Whisper.Slots = 2
	tr := newTranscriber(t, cfg, tiny())
	paths := []string{wavFile(t, rate, babble(1, 14)), wavFile(t, rate, babble(2, 14))}
	var alone [2]schemas.Transcript
	for i, path := range paths {
		alone[i] = transcribe(t, tr, schemas.TaskSubmitted{}, path)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			got, err := tr.Transcribe(t.Context(), schemas.TaskSubmitted{}, paths[i%2], Options{})
			if err != nil || !slices.EqualFunc(got.Utterances, alone[i%2].Utterances, sameUtterance) {
				t.Errorf("job %d: %v %q", i, err, texts(got, 0))
			}
		})
	}
	wg.Wait()
	if _, err := tr.Transcribe(t.Context(), schemas.TaskSubmitted{Task: schemas.Task{Language: "xx"}}, paths[0], Options{}); err == nil {
		t.Error("no error")
	}
}
