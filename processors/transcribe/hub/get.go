package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
)

const (
	tries = 6        // requests in a row that bring nothing
	spare = 64 << 20 // bytes that stay free on the disk
)

// Get downloads the model of a name and checks it. What an interrupted
// download left is gone on with. A model that is the only one of its kind is
// used from then on.
func (h *Hub) Get(ctx context.Context, name string) (err error) {
	m, known := h.find(name)
	if !known {
		return fmt.Errorf("there is no model %q; there are: %s", name, h.names())
	}
	root, closeRoot, err := h.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeRoot()) }()
	if _, err := root.Lstat(m.File); err == nil {
		damage, err := h.damage(ctx, m)
		if err != nil {
			return err
		}
		if damage == "" {
			fmt.Fprintf(h.out, "%s is installed already.\n", m.File)
			return h.settle(root, m)
		}
		fmt.Fprintf(h.out, "%s is not what the hub publishes (%s); it is downloaded anew.\n", m.File, damage)
	}
	if err := h.download(ctx, root, m); err != nil {
		return err
	}
	fmt.Fprintf(h.out, "%s is installed in %s: %s, SHA-256 checked.\n", m.File, h.folder, size(m.Size))
	return h.settle(root, m)
}

// settle uses the model when no other of its kind is, and else says how.
func (h *Hub) settle(root *os.Root, m Model) error {
	files, err := installed(h.folder)
	if err != nil {
		return err
	}
	delete(files, m.File)
	current, _ := Current(h.folder, m.Kind) // an error is cured by choosing
	if current == h.path(m.File) || !slices.Contains(slices.Collect(maps.Values(files)), m.Kind) {
		return h.choose(root, m.Kind, m.File)
	}
	fmt.Fprintf(h.out, "To use it: earshot model use %s\n", m.Name)
	return nil
}

// damage says what is wrong with the installed file of a model; "" = nothing.
func (h *Hub) damage(ctx context.Context, m Model) (string, error) {
	f, err := os.Open(h.path(m.File))
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() != m.Size {
		return fmt.Sprintf("%d bytes, not %d", info.Size(), m.Size), nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, reader{ctx, f, nil}); err != nil {
		return "", err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != m.SHA256 {
		return "SHA-256 " + got, nil
	}
	return "", nil
}

// download makes m.File by way of a .part file that outlives a failure.
func (h *Hub) download(ctx context.Context, root *os.Root, m Model) (err error) {
	part := m.File + ".part"
	f, err := root.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	fmt.Fprintf(h.out, "Downloading %s, %s, from %s\n", m.Name, size(m.Size), h.cfg.URL)
	d := &transfer{hub: h, model: m, file: f}
	resumed, err := d.fill(ctx)
	if err == nil && d.digest() != m.SHA256 && resumed { // what was left may have been of another file
		if err = f.Truncate(0); err == nil {
			_, err = d.fill(ctx)
		}
	}
	if err != nil {
		return err
	}
	if got := d.digest(); got != m.SHA256 {
		return errors.Join(fmt.Errorf("what %s sent for %s has SHA-256 %s instead of %s; it was deleted, try again or another EARSHOT_MODEL_URL", h.cfg.URL, m.Name, got, m.SHA256), root.Remove(part))
	}
	return errors.Join(f.Sync(), root.Rename(part, m.File))
}

// transfer is a download in progress.
type transfer struct {
	hub   *Hub
	model Model
	file  *os.File
	have  int64     // bytes in file
	sum   hash.Hash // of those
	bar   *progressbar.ProgressBar
}

func (d *transfer) digest() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// fill requests what the file lacks until it is as long as the model. resumed
// says that a part of it was there before.
func (d *transfer) fill(ctx context.Context) (resumed bool, err error) {
	if err := d.begin(ctx); err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			fmt.Fprintln(d.hub.bar) // the bar ends in the middle of a line
		}
	}()
	resumed = d.have > 0
	pause := d.hub.pause
	for failures := 0; d.have < d.model.Size; {
		before := d.have
		again, err := d.request(ctx)
		switch {
		case ctx.Err() != nil:
			return resumed, fmt.Errorf("stopped at %d%%; the same command goes on from there: %w", 100*d.have/d.model.Size, ctx.Err())
		case err == nil:
			continue
		case d.have > before:
			failures, pause = 0, d.hub.pause
		default:
			failures++
		}
		if !again || failures >= tries {
			return resumed, fmt.Errorf("download of %s: %w", d.model.Name, err)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 30*time.Second)
		case <-ctx.Done():
		}
	}
	return resumed, nil
}

// begin takes stock of the file and checks that there is room for the rest.
func (d *transfer) begin(ctx context.Context) error {
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > d.model.Size {
		err = d.file.Truncate(0)
	}
	_, seek := d.file.Seek(0, io.SeekStart)
	if err := errors.Join(err, seek); err != nil {
		return err
	}
	d.sum = sha256.New()
	if d.have, err = io.Copy(d.sum, reader{ctx, d.file, nil}); err != nil {
		return err
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(d.hub.folder, &disk); err != nil {
		return fmt.Errorf("free space in %s: %w", d.hub.folder, err)
	}
	if free, need := int64(disk.Bavail)*disk.Bsize, d.model.Size-d.have; free-spare < need {
		return fmt.Errorf("%s needs %s more, and %s are free in %s", d.model.Name, size(need+spare), size(free), d.hub.folder)
	}
	d.bar = progressbar.NewOptions64(d.model.Size, progressbar.OptionSetWriter(d.hub.bar), progressbar.OptionSetDescription(d.model.File),
		progressbar.OptionShowBytes(true), progressbar.OptionShowTotalBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(d.hub.bar) }))
	return d.bar.Set64(d.have)
}

var errStalled = errors.New("the hub stopped sending")

// request appends what one answer brings. again says that an error may be gone
// at the next request.
func (d *transfer) request(ctx context.Context) (again bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.hub.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(d.hub.cfg.URL, "/")+d.model.path(), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("User-Agent", "earshot")
	if d.have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
	}
	client := http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > 5 {
			return errors.New("more than 5 redirects")
		}
		return d.promised(req.Response.Header)
	}}
	res, err := client.Do(req)
	if err != nil {
		var other *otherFile
		return !errors.As(err, &other), cause(ctx, err)
	}
	defer res.Body.Close()
	if again, err = d.accept(res); err != nil {
		return again, err
	}
	body := reader{ctx, res.Body, func() { watch.Reset(d.hub.stall) }}
	if res.StatusCode == http.StatusOK { // from the beginning, which is there
		if _, err = io.CopyN(io.Discard, body, d.have); err != nil {
			return true, cause(ctx, err)
		}
	}
	if _, err = io.Copy(d, io.LimitReader(body, d.model.Size-d.have+1)); err != nil {
		return !errors.Is(err, errWrite) && !errors.Is(err, errLonger), cause(ctx, err)
	}
	if d.have < d.model.Size {
		return true, fmt.Errorf("cut off after %d of %d bytes", d.have, d.model.Size)
	}
	return false, nil
}

// cause is why a request was cancelled, or else its error.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return err
}

// accept refuses an answer that is neither the rest of the model nor all of it.
func (d *transfer) accept(res *http.Response) (again bool, err error) {
	if err := d.promised(res.Header); err != nil {
		return false, err
	}
	rest := d.model.Size - d.have
	switch res.StatusCode {
	case http.StatusPartialContent:
		if !strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.have)) {
			return false, fmt.Errorf("the hub sent another range: %q", res.Header.Get("Content-Range"))
		}
	case http.StatusOK:
		rest = d.model.Size
	case http.StatusNotFound, http.StatusForbidden, http.StatusUnauthorized:
		return false, fmt.Errorf("HTTP %s; is EARSHOT_MODEL_URL=%s right?", res.Status, d.hub.cfg.URL)
	default:
		return res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests, fmt.Errorf("HTTP %s", res.Status)
	}
	if res.ContentLength >= 0 && res.ContentLength != rest {
		return false, fmt.Errorf("the hub sends %d bytes instead of %d", res.ContentLength, rest)
	}
	return true, nil
}

// otherFile says that the hub has another file under the name of the model.
type otherFile struct{ declared string }

func (o *otherFile) Error() string {
	return "the hub has another file under this name now (" + o.declared + "); it is not downloaded"
}

// promised compares with what the hub declares of a Git LFS file before it
// redirects to where that is stored.
func (d *transfer) promised(h http.Header) error {
	etag := strings.ToLower(strings.Trim(strings.TrimPrefix(h.Get("X-Linked-Etag"), "W/"), `"`))
	if len(etag) == sha256.Size*2 && etag != d.model.SHA256 {
		return &otherFile{"SHA-256 " + etag}
	}
	if n, err := strconv.ParseInt(h.Get("X-Linked-Size"), 10, 64); err == nil && n != d.model.Size {
		return &otherFile{fmt.Sprintf("%d bytes", n)}
	}
	return nil
}

var (
	errWrite  = errors.New("write the model")
	errLonger = errors.New("the hub sends more than the model is long")
)

// Write appends to the file, to its digest and to the progress.
func (d *transfer) Write(p []byte) (int, error) {
	if d.have+int64(len(p)) > d.model.Size {
		return 0, errors.Join(errLonger, d.file.Truncate(0))
	}
	n, err := d.file.WriteAt(p, d.have)
	d.have += int64(n)
	d.sum.Write(p[:n])
	if err != nil {
		return n, fmt.Errorf("%w: %w", errWrite, err)
	}
	return n, d.bar.Add64(int64(n))
}

// reader reads until its context ends, and calls alive after each read.
type reader struct {
	ctx   context.Context
	r     io.Reader
	alive func()
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(p)
	if r.alive != nil {
		r.alive()
	}
	return n, err
}
