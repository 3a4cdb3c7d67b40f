package transcribe

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

// Checkpoint keeps how far a long recording has been heard, so that a worker
// that takes it over goes on where the last one was killed. It lies in the blob
// store, because the next worker may run on another machine.
type Checkpoint struct {
	Blobs *blob.Bucket
	Key   string // of the blob that holds it
}

// checkpointMax bounds what is read back: ten hours of talk are a few megabytes.
const checkpointMax = 64 << 20

// CheckpointOf is the checkpoint of a task.
func CheckpointOf(blobs *blob.Bucket, task schemas.Task) *Checkpoint {
	return &Checkpoint{Blobs: blobs, Key: "checkpoints/" + task.Org + "/" + task.Code + ".json.gz"}
}

// progress is everything that is known after some windows.
type progress struct {
	Version    int                  `json:"version"` // of this layout
	Digest     string               `json:"digest"`  // of the recording
	Engine     string               `json:"engine"`
	Model      string               `json:"model"`
	From       int64                `json:"from"` // samples that were heard
	Language   string               `json:"language"`
	Segments   []heardOn            `json:"segments"`
	Suppressed []schemas.Suppressed `json:"suppressed"`
	Marks      []schemas.Mark       `json:"marks"`
	Sounding   []bool               `json:"sounding"`
	Mono       *bool                `json:"mono"`
	Voices     []byte               `json:"voices"`
}

const progressVersion = 1

type heardOn struct {
	speech.Segment
	Channel int `json:"channel"`
}

// load returns nil where there is none that fits. A checkpoint that cannot be
// read costs time, not the recording: it is as good as none.
func (c *Checkpoint) load(ctx context.Context, digest, engine, model string) (*progress, error) {
	if c == nil {
		return nil, nil
	}
	r, err := c.Blobs.NewReader(ctx, c.Key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	defer r.Close()
	unpacked, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("unpack the checkpoint: %w", err)
	}
	var p progress
	if err := json.NewDecoder(io.LimitReader(unpacked, checkpointMax)).Decode(&p); err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	if p.Version != progressVersion || p.Digest != digest || p.Engine != engine || p.Model != model {
		return nil, nil
	}
	return &p, nil
}

func (c *Checkpoint) save(ctx context.Context, p progress) error {
	if c == nil {
		return nil
	}
	p.Version = progressVersion
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(w).Encode(p), w.Close()); err != nil {
		return fmt.Errorf("pack the checkpoint: %w", err)
	}
	if err := c.Blobs.WriteAll(ctx, c.Key, b.Bytes(), nil); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}

// Remove deletes the checkpoint of a recording that is done with; that there is
// none is fine.
func (c *Checkpoint) Remove(ctx context.Context) error {
	if err := c.Blobs.Delete(ctx, c.Key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete the checkpoint: %w", err)
	}
	return nil
}
