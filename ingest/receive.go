package ingest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"earshot/schemas"
)

// Upload is a recording that has arrived and is not yet stored. Remove it
// after Submit.
type Upload struct {
	Path   string // made by us, in the folder given to Receive
	Name   string // as the client named it, cleaned; display only
	Digest string // lower-case hex SHA-256
	Bytes  int64

	// Set by Probe.
	ContentType string
	Seconds     float64
	Channels    int64
}

// Bounds of what a client may name things.
const maxName = 255 // bytes

// partial marks files that a crash may leave behind.
const partial = "upload-"

// FileName makes a client's file name fit to show: its last element, cleaned,
// at most 255 bytes. It is never used as a path.
func FileName(name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	return CleanLine(name[strings.LastIndexByte(name, '/')+1:], maxName)
}

// Receive streams a recording into a new file in dir and takes its digest on
// the way; memory does not grow with its size. max is in bytes,
// schemas.MaxUploadBytes for a client's upload. When it fails no file is left.
//
// Errors: 4130 when r has more than max bytes, 4092 when it is empty, 5070
// when the disk is full, 5000 when it cannot be written; what r returns (other
// than io.EOF) is returned as it is.
func Receive(ctx context.Context, r io.Reader, dir, name string, max int64) (u Upload, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return u, writeError(err)
	}
	defer root.Close()
	file := partial + rand.Text()
	f, err := root.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return u, writeError(err)
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = writeError(closed)
		}
		if err != nil {
			err = errors.Join(err, root.Remove(file))
		}
	}()
	sum := sha256.New()
	n, err := copyBounded(ctx, f, sum, r, max)
	if err != nil {
		return u, err
	}
	if n == 0 {
		return u, schemas.Fail(schemas.CodeBadLength, "the file is empty")
	}
	return Upload{Path: filepath.Join(dir, file), Name: FileName(name), Digest: hex.EncodeToString(sum.Sum(nil)), Bytes: n}, nil
}

// copyBounded is io.Copy that tells a failing reader from a failing writer and
// stops at max.
func copyBounded(ctx context.Context, f io.Writer, sum io.Writer, r io.Reader, max int64) (total int64, err error) {
	buffer := make([]byte, 64<<10)
	for {
		if ctx.Err() != nil {
			return total, schemas.Because(schemas.CodeUnavailable, ctx.Err(), "the upload took too long")
		}
		n, readErr := r.Read(buffer)
		if total += int64(n); total > max {
			return total, schemas.Fail(schemas.CodeTooLarge, "at most %d bytes are taken", max)
		}
		if _, err := f.Write(buffer[:n]); err != nil {
			return total, writeError(err)
		}
		sum.Write(buffer[:n]) //nolint:errcheck // hash.Hash never returns an error
		if readErr == io.EOF {
			return total, nil
		}
		if readErr != nil {
			return total, readErr
		}
	}
}

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func writeError(err error) error {
	if noRoom(err) {
		return schemas.Because(schemas.CodeDiskFull, err, "")
	}
	return fmt.Errorf("keep an upload: %w", err)
}

// Remove deletes the received file.
func (u Upload) Remove() error {
	if err := os.Remove(u.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove an upload: %w", err)
	}
	return nil
}

// abandoned is the age from which a partial file has no owner: no upload may
// take that long.
const abandoned = 24 * time.Hour

// Sweep removes what killed processes left in the folder of uploads; it makes
// the folder when there is none. Several processes may share the folder, so
// only old files go.
func Sweep(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder of uploads: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("folder of uploads: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), partial) || time.Since(info.ModTime()) < abandoned {
			continue // gone already, or somebody's
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("folder of uploads: %w", err)
		}
	}
	return nil
}
