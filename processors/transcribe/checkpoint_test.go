//go:build whisper

package transcribe

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gocloud.dev/blob/memblob"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

// A recording whose worker was killed goes on after the last window that was
// heard, and ends as if nothing had happened. A checkpoint of another recording
// or model is not one of this.
func TestInterruptedRecordingGoesOn(t *testing.T) {
	tr := newTranscriber(t, testConfig(), tiny())
	tr.window = 60 * speech.Rate
	path := wavFile(t, rate, slices.Concat(babble(1, 50), silence(20, rate), babble(3, 100)), slices.Concat(silence(50, rate), babble(2, 20), silence(100, rate)))
	task := schemas.TaskSubmitted{Task: schemas.Task{Code: "c", Org: "o", Digest: "d"}}
	want := transcribe(t, tr, task, path)

	blobs := memblob.OpenBucket(nil)
	defer blobs.Close()
	o := Options{Checkpoint: CheckpointOf(blobs, task.Task)}
	base, heard, killed := tr.engine, 0, errors.New("killed")
	tr.engine = stopped(base, &heard, 4, killed)
	if _, err := tr.Transcribe(t.Context(), task, path, o); !errors.Is(err, killed) {
		t.Fatalf("got %v, want the kill", err)
	}
	another := task
	another.Task.Digest = "e"
	tests := []struct {
		name string
		task schemas.TaskSubmitted
		want int // stretches that are heard
	}{
		{"this one goes on", task, 2},
		{"another recording starts anew", another, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			heard = 0
			tr.engine = stopped(base, &heard, 100, killed)
			got, err := tr.Transcribe(t.Context(), tt.task, path, o)
			if err != nil || heard != tt.want {
				t.Fatalf("%d stretches were heard (%v), want %d", heard, err, tt.want)
			}
			if !slices.EqualFunc(got.Utterances, want.Utterances, sameUtterance) || got.RoleSource != want.RoleSource || got.Task.Seconds != want.Task.Seconds {
				t.Errorf("got %q, want %q", texts(got, 0), texts(want, 0))
			}
		})
	}
}

// stopped fails with err once n stretches were heard.
func stopped(e engine, asked *int, n int, err error) engine {
	use := e.use
	e.use = func(ctx context.Context, work func(session) error) error {
		return use(ctx, func(s session) error {
			hear := s.hear
			s.hear = func(ctx context.Context, a speech.Ask) (speech.Heard, error) {
				if *asked >= n {
					return speech.Heard{}, err
				}
				*asked++
				return hear(ctx, a)
			}
			return work(s)
		})
	}
	return e
}
