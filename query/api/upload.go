package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"earshot/ingest"
	"earshot/schemas"
)

// Bounds of an upload's form beside the file.
const (
	formBytes  = 512 << 10 // all that is not the file
	fieldBytes = 64 << 10
	maxParts   = 64
)

// mayUpload refuses an upload before its body is read: token, form, length,
// plan and quota, disk. A client that asks first (Expect) never sends it.
func (a *API) mayUpload(ctx *fasthttp.RequestCtx) error {
	if err := a.identify(ctx); err != nil {
		return err
	}
	if _, err := boundary(ctx); err != nil {
		return err
	}
	if _, err := idempotencyKey(ctx); err != nil {
		return err
	}
	length := int64(ctx.Request.Header.ContentLength())
	if length > a.cfg.MaxUploadBytes+formBytes {
		return a.tooLarge()
	}
	within, cancel := context.WithTimeout(a.base, a.cfg.RequestTimeout)
	defer cancel()
	quota, err := a.Store.Quota(within, callOf(ctx).user.Org)
	if err != nil {
		return err
	}
	if resource := ingest.Resource(uploadType(ctx)); quota.Reservable(resource) < 1 {
		return schemas.Fail(schemas.CodeQuota, "%s: none left", resource)
	}
	return a.room(length)
}

func (a *API) tooLarge() error {
	return schemas.Fail(schemas.CodeTooLarge, "a recording may have %d bytes", a.cfg.MaxUploadBytes)
}

// boundary is that of the form; 4024 when the body is none.
func boundary(ctx *fasthttp.RequestCtx) (string, error) {
	kind, params, err := mime.ParseMediaType(string(ctx.Request.Header.ContentType()))
	if err != nil || kind != fiber.MIMEMultipartForm || params["boundary"] == "" {
		return "", schemas.Because(schemas.CodeNoFile, err, "send the recording as field file of multipart/form-data")
	}
	return params["boundary"], nil
}

// room says 5070 where the disk cannot hold an upload: once as it arrives, once
// in the audio store, which may lie on the same disk.
func (a *API) room(length int64) error {
	if a.DiskFree != nil {
		if err := a.DiskFree(); err != nil {
			return schemas.Because(schemas.CodeDiskFull, err, "")
		}
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(a.cfg.UploadDir, &stat); err != nil {
		return err
	}
	if free := int64(stat.Bavail) * stat.Bsize; free < 2*max(length, 0) { //nolint:unconvert // Bsize differs by platform
		return schemas.Fail(schemas.CodeDiskFull, "")
	}
	return nil
}

// addRecording answers POST /addtaskcall and /addtaskaudio. Errors: 4001 4024
// 4025 4026 4044 4050 4052 4091 (calls only) 4092 4130 5000 5030 5070.
func (a *API) addRecording(c *fiber.Ctx) error {
	if err := a.mayUpload(c.Context()); err != nil {
		return err
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	default:
		return schemas.Fail(schemas.CodeUnavailable, "too many uploads at once")
	}
	call := callOf(c.Context())
	form, err := a.receive(c.UserContext(), c.Context(), call.body)
	defer a.discard(form)
	if err != nil {
		return err
	}
	s, err := a.submission(c, form, call)
	if err != nil {
		return err
	}
	receipt, err := a.Door.Submit(c.UserContext(), s)
	if err != nil {
		return err
	}
	return a.ok(c, newCreated(receipt, call.lang))
}

// form is a received upload: the file, and the fields in whatever order they
// came.
type form struct {
	fields
	channels string
	file     *ingest.Upload
}

func (a *API) discard(f form) {
	if f.file == nil {
		return
	}
	if err := f.file.Remove(); err != nil {
		a.Log.Error("a received file stays", "error", err)
	}
}

// receive streams the form: no more of it is in memory than one field and one
// buffer. A form that breaks off is an error, whatever was received of it.
func (a *API) receive(ctx context.Context, rctx *fasthttp.RequestCtx, b *body) (f form, err error) {
	mark, err := boundary(rctx)
	if err != nil {
		return f, err
	}
	bounded := &limited{body: b, left: a.cfg.MaxUploadBytes + formBytes, over: a.tooLarge()}
	parts := multipart.NewReader(bounded, mark)
	for range maxParts {
		part, err := parts.NextRawPart()
		if err == io.EOF { // the closing boundary was there
			return f, drain(bounded)
		}
		if err != nil {
			return f, formError(err)
		}
		if err := a.take(ctx, &f, part); err != nil {
			return f, formError(err)
		}
	}
	return f, schemas.Fail(schemas.CodeInvalid, "the form has more than %d fields", maxParts)
}

// drain reads what may follow the closing boundary, so that a client that is
// done sees its answer rather than a broken connection.
func drain(r io.Reader) error {
	_, err := io.CopyN(io.Discard, r, fieldBytes)
	if err == nil || err == io.EOF {
		return nil
	}
	return formError(err)
}

func (a *API) take(ctx context.Context, f *form, part *multipart.Part) error {
	defer part.Close()
	if part.FormName() == "file" && part.FileName() != "" {
		if f.file != nil {
			return schemas.Fail(schemas.CodeInvalid, "the form has more than one file")
		}
		u, err := ingest.Receive(ctx, part, a.cfg.UploadDir, part.FileName(), a.cfg.MaxUploadBytes)
		if err != nil {
			return err
		}
		f.file = &u
		return nil
	}
	value, err := io.ReadAll(io.LimitReader(part, fieldBytes+1))
	if err != nil {
		return err
	}
	if len(value) > fieldBytes {
		return schemas.Fail(schemas.CodeInvalid, "the field %s is larger than %d bytes", ingest.CleanLine(part.FormName(), 64), fieldBytes)
	}
	if !f.set(part.FormName(), string(value)) && part.FormName() == "channels" {
		f.channels = string(value)
	}
	return nil
}

// formError tells a broken form from our own failures.
func formError(err error) error {
	var coded *schemas.Error
	if errors.As(err, &coded) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.HasPrefix(err.Error(), "multipart: ") ||
		strings.HasPrefix(err.Error(), "malformed MIME header") || errors.Is(err, multipart.ErrMessageTooLarge) {
		return &statusError{status: fasthttp.StatusBadRequest, err: schemas.Because(schemas.CodeInvalid, err, "the form is malformed or breaks off")}
	}
	return err
}

// limited fails with over when there is more than left bytes.
type limited struct {
	body *body
	left int64
	over error
}

// Read never gives more than left bytes.
func (l *limited) Read(p []byte) (int, error) {
	if l.left == 0 {
		if n, err := l.body.Read(make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, l.over
	}
	n, err := l.body.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// submission checks the fields, which is cheap, then the recording.
func (a *API) submission(c *fiber.Ctx, f form, call *call) (s ingest.Submission, err error) {
	if f.file == nil {
		return s, schemas.Fail(schemas.CodeNoFile, "the form has no file in its field file")
	}
	if s.Task, err = a.task(c.UserContext(), f.fields, call); err != nil {
		return s, err
	}
	if s.Bulk, err = f.bulk(); err != nil {
		return s, err
	}
	if !ingest.Recognised(s.Task.Language) {
		return s, schemas.Fail(schemas.CodeInvalid, "no speech model knows the language %s; leave it out to have the nearest one detected", s.Task.Language)
	}
	if err = request(c.Context(), &s.Task); err != nil {
		return s, err
	}
	if s.Channels, err = channelsOf(f.channels); err != nil {
		return s, err
	}
	u := f.file
	if err = u.Probe(c.UserContext()); err != nil {
		return s, err
	}
	for _, ch := range s.Channels {
		if ch.Index >= u.Channels {
			return s, schemas.Fail(schemas.CodeInvalid, "channels names channel %d, the recording has %d", ch.Index, u.Channels)
		}
	}
	t := &s.Task
	t.Type, t.Source = uploadType(c.Context()), schemas.SourceUpload
	if t.Type == schemas.TypeAudio {
		t.Source = schemas.SourceAudio
		t.OperatorName = f.OperatorName.label() // it need not have an operator
	}
	t.FileName, t.ContentType, t.Digest, t.Bytes, t.Seconds = u.Name, u.ContentType, u.Digest, u.Bytes, u.Seconds
	s.Audio = u.Path
	return s, nil
}

// channelsOf reads the optional field channels: [{"index":0,"role":"operator"}].
// It goes before the source's own order (schemas.ChannelRoles); a channel that
// it does not name is unknown.
func channelsOf(value string) ([]schemas.Channel, error) {
	if value = strings.TrimSpace(value); value == "" || value == "null" {
		return nil, nil
	}
	var in []struct {
		Index *int64 `json:"index"`
		Role  string `json:"role"`
	}
	roles := []string{schemas.RoleOperator, schemas.RoleCustomer, schemas.RoleSystem, schemas.RoleUnknown}
	err := json.Unmarshal([]byte(value), &in)
	var out []schemas.Channel
	for _, c := range in {
		if c.Index == nil || *c.Index < 0 || *c.Index >= 64 || !slices.Contains(roles, c.Role) ||
			slices.ContainsFunc(out, func(o schemas.Channel) bool { return o.Index == *c.Index }) {
			err = errors.New("index or role")
			break
		}
		out = append(out, schemas.Channel{Index: *c.Index, Role: c.Role})
	}
	if err != nil {
		return nil, schemas.Because(schemas.CodeInvalid, err, `channels must be like [{"index":0,"role":"operator"},{"index":1,"role":"customer"}]; roles are %s`, strings.Join(roles, ", "))
	}
	return out, nil
}
