package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

// sparse is a stereo recording of a sample said once every four minutes.
func sparse(t testing.TB, name string, length time.Duration) []byte {
	t.Helper()
	dir := t.TempDir()
	once, path := filepath.Join(dir, "once.flac"), filepath.Join(dir, "sparse.flac")
	for _, args := range [][]string{
		{"-i", filepath.Join(root, "deploy", "samples", name), "-af", "apad=whole_dur=240", "-ac", "2", "-ar", "8000", once},
		{"-stream_loop", "-1", "-i", once, "-t", fmt.Sprint(length.Seconds()), path},
	} {
		if out, err := exec.Command("ffmpeg", append([]string{"-nostdin", "-v", "error"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, out)
		}
	}
	audio, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return audio
}

// resident is a figure of /proc/PID/status in MB; 0 when the process is gone.
func resident(pid int, figure string) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), figure+":")
	value, _, _ := strings.Cut(rest, "kB")
	kilobytes, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return kilobytes / 1024
}

// children are the processes that pid started.
func children(t testing.TB, pid int) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tasks {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(raw)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// TestThreeHoursInBoundedMemory hears a stereo recording of three hours. What
// the program and the processes that it starts take beyond what they had while
// idle stays below 300 MB above the model, which is a few hundred kilobytes here.
// Where the engines are does not matter to it, so it runs with one set of them.
func TestThreeHoursInBoundedMemory(t *testing.T) {
	if *engineSet != embeddedSet {
		return
	}
	const bound = 300.0 // MB
	s := newStack(t, append(speech(t), "EARSHOT_TRANSCRIBE_SLOTS=1")...)
	s.start()
	header, body := form(s, "three-hours.flac", sparse(t, "calls/05-sale-upgrade.ogg", 3*time.Hour), nil)
	before := resident(s.PID, "VmRSS")
	code, _ := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body).json(s)["code"].(string)
	peak := map[int]float64{} // by child, MB
	highest := 0.0
	s.eventually(5*time.Minute, "three hours are heard", func() string {
		now := resident(s.PID, "VmRSS") - before
		for _, pid := range children(t, s.PID) {
			peak[pid] = max(peak[pid], resident(pid, "VmHWM"))
			now += resident(pid, "VmRSS")
		}
		highest = max(highest, now)
		task, err := s.Task(s.Context(), code)
		switch {
		case err != nil:
			return err.Error()
		case task.Status == "error":
			s.Fatalf("it ended in error: %s", *task.Error)
		case task.Status != "completed":
			return "it is " + task.Status
		}
		return ""
	})
	t.Logf("%.0f MB at most; highest by process started: %v", highest, peak)
	if highest > bound {
		t.Errorf("three hours took %.0f MB, want at most %.0f", highest, bound)
	}
	if len(peak) == 0 {
		t.Error("no process of the recogniser was seen")
	}
	if task := s.done(code); task.Minutes != 180 || task.Result == nil || task.Result.Text == nil || *task.Result.Text == "" {
		t.Errorf("got %+v", task)
	}
}
