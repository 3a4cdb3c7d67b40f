package api

import (
	"cmp"
	"context"
	"errors"
	"mime"
	"net"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"earshot/ingest"
	"earshot/schemas"
)

// sendAudio sends a recording as it was uploaded. Errors: 4046, and those of
// sendBlob.
func (a *API) sendAudio(c *fiber.Ctx, t schemas.Task) error {
	if t.Type != schemas.TypeCall && t.Type != schemas.TypeAudio {
		return schemas.Fail(schemas.CodeFileMissing, "")
	}
	// The state learns the key with the first event after the submission.
	key := cmp.Or(t.Blob, ingest.BlobKey(t))
	kind := t.ContentType
	if !strings.HasPrefix(kind, "audio/") {
		kind = fiber.MIMEOctetStream // an upload of before types were told
	}
	name := cmp.Or(t.FileName, "audio_"+t.Code+path.Ext(key))
	return blobError(a.sendBlob(c, stored{org: t.Org, key: key, kind: kind, name: name, tag: `"` + t.Digest + `"`}))
}

// stored is a file to be sent.
type stored struct {
	org, key   string // of the blob
	kind, name string // media type, and as which name it is to be kept
	tag        string // ETag; "": that of the blob store
}

// sendBlob sends the bytes of a blob, or the range of them that was asked for
// (RFC 9110 section 14). They pass through memory a buffer at a time. Errors: the
// blob store's, 5030, and 416 for a range beyond the end.
func (a *API) sendBlob(c *fiber.Ctx, f stored) error {
	about, err := a.Blobs.Attributes(c.UserContext(), f.key)
	if err != nil {
		return err
	}
	tag := cmp.Or(f.tag, about.ETag)
	whole := span{0, about.Size - 1}
	part, ok := whole, true
	if since := c.Get(fiber.HeaderIfRange); since == "" || since == tag {
		part, ok = rangeOf(c.Get(fiber.HeaderRange), about.Size)
	}
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	if !ok {
		c.Set(fiber.HeaderContentRange, "bytes */"+strconv.FormatInt(about.Size, 10))
		return &statusError{status: fiber.StatusRequestedRangeNotSatisfiable, err: schemas.Fail(schemas.CodeInvalid, "the file has %d bytes", about.Size)}
	}
	var stream *download
	if c.Method() != fiber.MethodHead {
		if stream, err = a.download(c, f, part); err != nil {
			return err
		}
	}
	attach(c, f.kind, f.name)
	c.Set(fiber.HeaderETag, tag)
	if part != whole {
		c.Status(fiber.StatusPartialContent)
		c.Set(fiber.HeaderContentRange, "bytes "+strconv.FormatInt(part.first, 10)+"-"+strconv.FormatInt(part.last, 10)+"/"+strconv.FormatInt(about.Size, 10))
	}
	size := int(part.last - part.first + 1)
	if stream == nil {
		c.Context().Response.SkipBody = true
		c.Context().Response.Header.SetContentLength(size)
		return nil
	}
	c.Context().SetBodyStream(stream, size)
	return nil
}

// blobError gives what the audio store says a code.
func blobError(err error) error {
	var coded *schemas.Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	if gcerrors.Code(err) == gcerrors.NotFound {
		return schemas.Because(schemas.CodeFileMissing, err, "")
	}
	return schemas.Because(schemas.CodeUnavailable, err, "the audio store does not answer")
}

// attach says that the answer is a file to be kept under a name, and not to be
// kept by anybody on the way.
func attach(c *fiber.Ctx, contentType, name string) {
	c.Set(fiber.HeaderContentType, contentType)
	c.Set(fiber.HeaderContentDisposition, disposition(name))
	c.Set(fiber.HeaderCacheControl, "private, no-cache")
}

// disposition is Content-Disposition with a name of any characters (RFC 6266):
// for clients that know nothing else in ASCII, and after RFC 5987.
func disposition(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '/' || r == '%' {
			return '_'
		}
		return r
	}, name)
	out := `attachment; filename="` + ascii + `"`
	if ascii == name {
		return out
	}
	// Of a name that is not ASCII it makes "attachment; filename*=utf-8''...".
	if encoded := mime.FormatMediaType("attachment", map[string]string{"filename": name}); strings.Contains(encoded, "filename*=") {
		out += "; " + strings.TrimPrefix(encoded, "attachment; ")
	}
	return out
}

// span is a range of bytes, both ends included.
type span struct{ first, last int64 }

var oneRange = regexp.MustCompile(`^bytes=(\d{0,18})-(\d{0,18})$`)

// rangeOf reads a header Range for a file of size bytes. What is no single range
// of bytes is no range at all, and the whole file is meant; false for one that
// lies beyond its end.
func rangeOf(header string, size int64) (span, bool) {
	whole := span{0, size - 1}
	m := oneRange.FindStringSubmatch(header)
	if m == nil || m[1] == "" && m[2] == "" {
		return whole, true
	}
	first, _ := strconv.ParseInt(m[1], 10, 64) // digits, or nothing: 0
	last, _ := strconv.ParseInt(m[2], 10, 64)
	switch {
	case m[1] == "": // the last so many
		return span{max(size-last, 0), size - 1}, last > 0 && size > 0
	case first >= size:
		return whole, false
	case m[2] == "" || last >= size:
		return span{first, size - 1}, true
	case last < first:
		return whole, true // nonsense is ignored
	}
	return span{first, last}, true
}

// download reads a blob while the answer is being written, which is after the
// handler has returned.
type download struct {
	blob  *blob.Reader
	conn  net.Conn
	pause time.Duration
	until time.Time
	close func()
}

// download opens a range of a blob. There are as many at once as uploads, half
// of them for one organisation, and each may take as long.
func (a *API) download(c *fiber.Ctx, f stored, part span) (*download, error) {
	now, cancel := context.WithCancel(c.UserContext())
	cancel() // nobody waits for what may take minutes
	leave, ok := a.downloads.take(now, f.org)
	if !ok {
		return nil, schemas.Fail(schemas.CodeUnavailable, "too many downloads at once")
	}
	// Not the request's context: that ends with the handler.
	ctx, cancel := context.WithTimeout(a.base, a.cfg.UploadTimeout)
	end := func() {
		cancel()
		leave()
	}
	r, err := a.Blobs.NewRangeReader(ctx, f.key, part.first, part.last-part.first+1, nil)
	if err != nil {
		end()
		return nil, err
	}
	return &download{r, c.Context().Conn(), a.cfg.ReadTimeout, time.Now().Add(a.cfg.UploadTimeout), end}, nil
}

// Read moves the connection's deadline first, because the server's is one for
// the whole answer: a client may be slow, but not stand still, and not for ever.
func (d *download) Read(p []byte) (int, error) {
	deadline := time.Now().Add(d.pause)
	if deadline.After(d.until) {
		deadline = d.until
	}
	if err := d.conn.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	return d.blob.Read(p)
}

// Close is called by the server when the answer is written or given up.
func (d *download) Close() error {
	defer d.close()
	return d.blob.Close()
}
