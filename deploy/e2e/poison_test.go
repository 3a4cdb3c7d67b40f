package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// poison is a file that is no recording, and the code that says so.
type poison struct {
	name    string
	content []byte
	code    schemas.Code
}

func poisons(t testing.TB) []poison {
	ogg := sample(t, "calls/01-billing-charged-twice.ogg")
	secret := filepath.Join(t.TempDir(), "secret.wav") // what a playlist would read if it were let to
	if err := os.WriteFile(secret, tone(5*time.Second, 700), 0o600); err != nil {
		t.Fatal(err)
	}
	slow := wav(1, 8000, make([]int16, 1<<19))
	binary.LittleEndian.PutUint32(slow[24:], 1) // Hz: 145 hours in a megabyte
	return []poison{
		{"empty.wav", nil, schemas.CodeBadLength},
		{"short.wav", tone(time.Second, 300), schemas.CodeBadLength},
		{"header-only.ogg", ogg[:60], schemas.CodeUndecodable},
		{"playlist.mp3", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\nfile://" + secret + "\n#EXT-X-ENDLIST\n"), schemas.CodeBadFormat},
		{"list.wav", []byte("ffconcat version 1.0\nfile '" + secret + "'\n"), schemas.CodeBadFormat},
		{"text.wav", []byte(strings.Repeat("This is not a recording.\n", 1000)), schemas.CodeBadFormat},
		{"one-hertz.wav", slow, schemas.CodeBadFormat},
		{"many-channels.wav", wav(255, 8000, make([]int16, 255*8000*3)), schemas.CodeBadFormat},
	}
}

// TestPoisonEndsInItsCodeAndOthersFlow uploads files that are no recordings
// while chats and calls flow.
func TestPoisonEndsInItsCodeAndOthersFlow(t *testing.T) {
	s := newStack(t, speech(t)...)
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f := newFlow(ctx, s.Client, 2, true)
	f.release(60, 3*time.Second)

	bad := poisons(t)
	for _, p := range bad {
		header, body := form(t, p.name, p.content, nil)
		a := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body)
		doc := a.json(t)
		if got := doc["error_code"]; a.status != http.StatusOK || got != float64(p.code) || doc["error_message"] == "" {
			t.Errorf("%s: HTTP %d %s, want code %d", p.name, a.status, a.body, p.code)
		}
		if task, taken := doc["code"].(string); taken && task != "" {
			t.Errorf("%s became task %s", p.name, task)
		}
	}
	s.cutOff(t)

	// Nothing of this one can be decoded: that is seen when it is transcribed, and
	// ends the task at once.
	header, body := form(t, "hollow.m4a", hollowM4A(t), nil)
	doc := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body).json(t)
	hollow, _ := doc["code"].(string)
	if task := s.ended(hollow); task["status"] != "error" || task["error_message"] == nil || s.errorCode(hollow) != schemas.CodeUndecodable {
		t.Errorf("the hollow M4A: %v", task)
	}
	// A recording that breaks off is what there is of it.
	ogg := sample(t, "calls/01-billing-charged-twice.ogg")
	header, body = form(t, "half.ogg", ogg[:len(ogg)/2], nil)
	half, _ := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body).json(t)["code"].(string)
	s.done(half)

	for _, code := range f.finish(t) {
		s.done(code)
	}
	if n := s.total(url.Values{"status": {"error"}}); n != 1 {
		t.Errorf("%d tasks ended in error, of one", n)
	}
	if chats, _ := s.usage(); chats != 57 {
		t.Errorf("%d chats are paid for, not 57", chats)
	}
	s.eventually(5*time.Second, "no file is left behind", s.leftovers)
	if letters := s.deadLetters(); len(letters) > 0 {
		t.Errorf("%d dead letters; the first: %s: %s", len(letters), letters[0].Stage, letters[0].Reason)
	}
}

// leftovers names the files of uploads and jobs that are still there.
func (s *stack) leftovers() string {
	var found []string
	err := filepath.WalkDir(s.data, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the engines' files come and go
		}
		if err == nil && (strings.HasPrefix(entry.Name(), "upload-") || strings.HasPrefix(entry.Name(), "job-")) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return strings.Join(found, ", ")
}

// cutOff begins an upload and leaves.
func (s *stack) cutOff(t *testing.T) {
	t.Helper()
	header, body := form(t, "cut-off.wav", tone(time.Minute, 800), nil)
	ctx, cancel := context.WithCancel(t.Context())
	reader := &leaving{bytes.NewReader(body[:len(body)/2]), cancel}
	err := s.Do(ctx, http.MethodPost, "/addtaskcall", header, reader, nil)
	if err == nil {
		t.Error("an upload that was cut off is answered with success")
	}
}

// leaving is a body whose client is gone at its end.
type leaving struct {
	*bytes.Reader
	leave func()
}

// Read reads, or leaves.
func (l *leaving) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err != nil {
		l.leave()
		return n, context.Canceled
	}
	return n, nil
}

// hollowM4A is an MP4 file whose tables are sound and whose audio is not: only who
// decodes it can tell.
func hollowM4A(t testing.TB) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", "pipe:0", filepath.Join(t.TempDir(), "whole.m4a"))
	cmd.Stdin = bytes.NewReader(tone(20*time.Second, 440))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	raw, err := os.ReadFile(cmd.Args[len(cmd.Args)-1])
	if err != nil {
		t.Fatal(err)
	}
	audio := bytes.Index(raw, []byte("mdat"))
	if audio < 4 {
		t.Fatal("ffmpeg wrote an MP4 file without media data")
	}
	size := int(binary.BigEndian.Uint32(raw[audio-4:])) // of the box, with its size and name
	for i := audio + 4; i < audio-4+size; i++ {
		raw[i] = 0xff
	}
	return raw
}

// TestGarbageOnTheLogGoesToTheDeadLetters puts bytes that no event has on the
// topics that consumers read, between events.
func TestGarbageOnTheLogGoesToTheDeadLetters(t *testing.T) {
	s := newStack(t)
	s.start()
	topics := []string{schemas.TopicText, schemas.TopicAudio, schemas.TopicTranscripts, schemas.TopicAnalyses, schemas.TopicStatus, schemas.TopicUsage, schemas.TopicEntities}
	s.onLog(func(cl *kgo.Client) {
		for i, topic := range topics {
			for _, bytes := range []string{"garbage", "\xc3\x01 eight by garbage of a schema nobody has", ""} {
				r := &kgo.Record{Topic: topic, Key: []byte("garbage-" + strconv.Itoa(i)), Value: []byte(bytes)}
				if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f := newFlow(ctx, s.Client, 2, false)
	f.release(40, 0)
	f.finish(t)
	s.completed(40, time.Minute)
	s.eventually(30*time.Second, "every consumer at the end of the log", s.lagging)

	letters := s.deadLetters()
	for _, topic := range topics {
		if !slices.ContainsFunc(letters, func(l schemas.DeadLetter) bool {
			return l.Topic == topic && string(l.Value) == "garbage" && l.Reason != "" && l.Stage != ""
		}) {
			t.Errorf("no dead letter holds the garbage of %s", topic)
		}
	}
}

// TestReplayTakesDeadLettersBack lets a call fail for a reason that is ours, no
// ffmpeg, until it is a dead letter, and takes it back when the reason is gone.
func TestReplayTakesDeadLettersBack(t *testing.T) {
	s := newStack(t, append(speech(t), "EARSHOT_ATTEMPTS=3")...)
	s.args = []string{"--roles", "api,analyze,sink"} // nobody transcribes yet
	s.start()
	header, body := form(t, "late.wav", tone(3*time.Second, 300), nil)
	code, _ := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body).json(t)["code"].(string)
	s.stop()

	s.args, s.env = nil, append(s.env, "EARSHOT_FFMPEG=/nowhere/ffmpeg")
	s.start()
	task := s.ended(code)
	if message, _ := task["error_message"].(string); task["status"] != "error" || !strings.Contains(message, "earshot replay") {
		t.Errorf("without ffmpeg the call: %v", task)
	}
	s.stop()
	s.env = s.env[:len(s.env)-1]

	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"--dry-run"}, "1 dead letters"},
		{nil, "1 dead letters"},
		{[]string{"--dry-run"}, "0 dead letters"},
	} {
		if out := s.replay(step.args...); !strings.Contains(out, step.want) {
			t.Errorf("earshot replay %v says %q, not %q", step.args, out, step.want)
		}
	}
	s.start()
	s.eventually(time.Minute, "the replayed call completed", func() string {
		task, err := s.Task(t.Context(), code)
		if err == nil && task.Status == "completed" {
			return ""
		}
		return fmt.Sprintf("it is %s, %v", task.Status, err)
	})
	s.eventually(20*time.Second, "it is paid for once", func() string {
		if _, minutes := s.usage(); minutes != 1 {
			return fmt.Sprintf("%d minutes are", minutes)
		}
		return ""
	})
}

// replay runs earshot replay beside the log.
func (s *stack) replay(args ...string) string {
	s.Helper()
	cmd := exec.Command(*program, append([]string{"replay", "--data", s.data}, args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.Output()
	if err != nil {
		s.Errorf("earshot replay: %v\n%s", err, out)
	}
	return string(out)
}
