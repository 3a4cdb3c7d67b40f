package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// looped is a recording of a sample said again and again, 8 kHz mu-law.
func looped(t testing.TB, name string, length time.Duration) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "looped.wav")
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "-1", "-i", filepath.Join(root, "deploy", "samples", name),
		"-t", fmt.Sprint(length.Seconds()), "-ac", "1", "-ar", "8000", "-c:a", "pcm_mulaw", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	audio, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return audio
}

// TestKilledInALongRecordingGoesOn kills the program when part of a long
// recording was heard: the rest is heard after the restart, not all of it.
func TestKilledInALongRecordingGoesOn(t *testing.T) {
	s := newStack(t, speech(t)...)
	s.start()
	header, body := form(s, "long.wav", looped(t, "calls/03-internet-outage.ogg", time.Hour), nil)
	code, _ := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body).json(s)["code"].(string)
	checkpoints := filepath.Join(s.data, "blobs", "checkpoints", "*", code+".json.gz")
	written := func() int {
		files, err := filepath.Glob(checkpoints)
		if err != nil {
			s.Fatal(err)
		}
		return len(files)
	}
	s.eventually(5*time.Minute, "a part of the recording was heard", func() string {
		if written() == 0 {
			return "there is no " + checkpoints
		}
		return ""
	})
	s.kill()
	s.start()
	task := s.done(code)
	if task.Minutes != 60 || task.Result == nil || task.Result.Text == nil || *task.Result.Text == "" {
		t.Errorf("got %+v", task)
	}
	log, err := os.ReadFile(filepath.Join(s.logs, "earshot.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte("transcription resumed")) {
		t.Error("the recording was heard from its beginning again")
	}
	if written() != 0 {
		t.Errorf("%s is still there", checkpoints)
	}
	if rows := s.sql("SELECT count(), sum(turns) = (SELECT count() FROM segments FINAL WHERE code = '" + code + "') FROM interactions FINAL WHERE code = '" + code + "'"); rows[0][0] != "1" || rows[0][1] != "1" {
		t.Errorf("rows of the task, and whether its segments are its turns: %v", rows)
	}
}
