package transcribe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"earshot/processors"
	"earshot/schemas"
	"earshot/sinks/state"
)

// Stage returns the transcription as a stage: audio tasks in, transcripts out.
// Audio is copied from blobs to a file in dir for the time of the job, because
// ffmpeg seeks in it; the progress of long recordings is kept in blobs. store
// knows the words that an organisation expects to be said.
func Stage(t *Transcriber, store *state.Store, blobs *blob.Bucket, dir string) processors.Stage {
	return processors.Stage{
		Name: schemas.StageTranscribe, Group: schemas.GroupTranscribe,
		Live: []string{schemas.TopicAudio}, Bulk: []string{schemas.TopicAudioBulk},
		Batch: 1, Done: schemas.StatusVersion(schemas.StatusAudioCompleted), Announce: true,
		Handle: func(ctx context.Context, job processors.Job) ([]processors.Event, error) {
			owner, err := store.Organisation(ctx, job.Task.Org)
			if err != nil {
				return nil, fmt.Errorf("vocabulary of %s: %w", job.Task.Org, err)
			}
			path, err := fetch(ctx, blobs, job.Task.Blob, dir)
			if err != nil {
				return nil, err
			}
			defer os.Remove(path)
			o := Options{Vocabulary: owner.Vocabulary, Checkpoint: CheckpointOf(blobs, job.Task)}
			transcript, err := t.Transcribe(ctx, *job.Submitted, path, o)
			if _, final := schemas.RecordFault(err); err == nil || final {
				err = errors.Join(err, o.Checkpoint.Remove(ctx))
			}
			if err != nil {
				return nil, err
			}
			return []processors.Event{
				{Topic: schemas.TopicTranscripts, Value: transcript},
				{Topic: schemas.TopicStatus, Value: processors.Status(transcript.Task, schemas.StatusAudioCompleted)},
			}, nil
		},
	}
}

// fetch copies a blob to a file of our own naming. A blob that does not exist
// is the record's fault: no retry brings it back.
func fetch(ctx context.Context, blobs *blob.Bucket, key, dir string) (path string, err error) {
	r, err := blobs.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return "", schemas.Fail(schemas.CodeNoFile, "the recording is no longer in the audio store")
	}
	if err != nil {
		return "", fmt.Errorf("read audio %s: %w", key, err)
	}
	defer r.Close()
	f, err := os.CreateTemp(dir, "job-*"+filepath.Ext(key))
	if err != nil {
		return "", fmt.Errorf("room for the audio: %w", err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("copy audio %s: %w", key, err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}
