package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3/option"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

// manner is what a request asks for. Servers know less than OpenAI, and
// OpenAI's own newer models less than whisper-1: after a refusal the next, more
// modest one is tried, and kept.
type manner struct {
	format string
	times  []string // timestamp_granularities
}

var manners = []manner{
	{"verbose_json", []string{"segment", "word"}},
	{"verbose_json", []string{"segment"}},
	{"json", nil},
}

const (
	longestPrompt = 2 << 10  // bytes; Whisper takes some 220 tokens
	maxForm       = 25 << 20 // bytes that OpenAI and vLLM take at most
)

// Session is the use of a slot for one recording, for one goroutine at a time
// and for as long as the work of Use runs.
type Session struct{ engine *Engine }

// Hear says what is said in a.Samples, 13 minutes of them at most: they are sent
// uncompressed, and servers take 25 MB. Of a prompt the first 2 KiB are used.
// A server that knows no times gives one segment over all of the samples, one
// that knows no words segments without.
//
// A *schemas.Error is final: CodeUndecodable or CodeInvalid say why the server
// refused this stretch, CodeNoModel that it has no such model or address. Any
// other error is ours and may be gone at the next try: the server was away, slow,
// talked nonsense or refused the key.
func (s *Session) Hear(ctx context.Context, a speech.Ask) (speech.Heard, error) {
	if n := 2 * len(a.Samples); n > maxForm-64<<10 {
		return speech.Heard{}, fmt.Errorf("%d bytes of sound are more than a speech server takes at once", n)
	}
	body, err := s.engine.ask(ctx, a)
	if ctx.Err() != nil {
		return speech.Heard{}, ctx.Err()
	}
	var heard speech.Heard
	if err == nil {
		heard, err = read(body, a)
	}
	if err != nil {
		err = s.engine.explain(err, a.Language)
	}
	_, recordFault := schemas.RecordFault(err)
	s.engine.note(err != nil && !recordFault)
	return heard, err
}

// ask asks in the most telling manner that the server understands.
func (e *Engine) ask(ctx context.Context, a speech.Ask) ([]byte, error) {
	for {
		i := e.manner.Load()
		body, err := e.post(ctx, a, manners[i])
		var r *refusal
		if !errors.As(err, &r) || !r.ofManner() || int(i) == len(manners)-1 {
			return body, err
		}
		e.manner.CompareAndSwap(i, i+1)
		e.log.Info("the speech server knows less than it was asked for", "server", e.host, "format", manners[i].format, "times", manners[i].times, "says", r.said)
	}
}

func (e *Engine) post(ctx context.Context, a speech.Ask, m manner) (body []byte, err error) {
	file, kind, err := e.form(a, m)
	if err != nil {
		return nil, err
	}
	err = e.server.Post(ctx, "audio/transcriptions", file, &body, option.WithHeader("Content-Type", kind),
		option.WithMaxRetryDelay(e.pause), option.WithMiddleware(e.try(e.cfg.window(len(a.Samples)))))
	return body, err
}

// form is a request's body and content type. It is as large as the sound and
// made in one piece: the library's own doubles a buffer until it fits, which
// takes three times as much.
func (e *Engine) form(a speech.Ask, m manner) (*bytes.Buffer, string, error) {
	body := new(bytes.Buffer)
	body.Grow(2*len(a.Samples) + 2*longestPrompt + 4<<10)
	w := multipart.NewWriter(body)
	fields := [][2]string{{"model", e.cfg.Model}, {"response_format", m.format}}
	for _, times := range m.times {
		fields = append(fields, [2]string{"timestamp_granularities[]", times})
	}
	if a.Language != "" {
		fields = append(fields, [2]string{"language", a.Language})
	}
	if a.Prompt != "" {
		fields = append(fields, [2]string{"prompt", strings.ToValidUTF8(a.Prompt[:min(len(a.Prompt), longestPrompt)], "")})
	}
	for _, f := range fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			return nil, "", err
		}
	}
	file, err := w.CreateFormFile("file", "audio.wav")
	if err == nil {
		_, err = io.Copy(file, wav(a.Samples))
	}
	return body, w.FormDataContentType(), errors.Join(err, w.Close())
}

// wav is a WAV file of the samples (RIFF, 16 bit PCM, one channel), made as it
// is read.
func wav(samples []int16) io.Reader {
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	head = binary.LittleEndian.AppendUint32(head, speech.Rate)
	head = binary.LittleEndian.AppendUint32(head, 2*speech.Rate)
	head = append(head, "\x02\x00\x10\x00data"...)
	head = binary.LittleEndian.AppendUint32(head, uint32(2*len(samples)))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(head)-8+2*len(samples)))
	return io.MultiReader(bytes.NewReader(head), &pcm{samples})
}

type pcm struct{ rest []int16 }

func (p *pcm) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := min(len(b)/2, len(p.rest))
	for i, v := range p.rest[:n] {
		binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
	}
	p.rest = p.rest[n:]
	return 2 * n, nil
}

// final tells the library that an error is not worth another try.
func final() *http.Response {
	return &http.Response{Header: http.Header{"X-Should-Retry": {"false"}}, Body: http.NoBody}
}

// try is what the library does up to tries times: one request of which the
// whole answer must come within patience, be no longer than maxAnswer, and be
// JSON. What it returns besides an error decides whether there is another try.
func (e *Engine) try(patience time.Duration) option.Middleware {
	return func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		ctx, cancel := context.WithTimeout(req.Context(), patience)
		defer cancel()
		res, body, err := exchange(req.WithContext(ctx), next)
		switch {
		case err != nil && req.Context().Err() != nil:
			return nil, req.Context().Err()
		case err != nil && ctx.Err() != nil:
			res, err = final(), fmt.Errorf("no answer within %s", patience)
		case errors.Is(err, errTooLong):
			res = final()
		case err == nil && res.StatusCode >= 300:
			err = e.refuse(res, body)
		case err == nil && !json.Valid(body):
			res, err = nil, fmt.Errorf("the answer is not JSON: %s", e.quote(body))
		}
		if err != nil {
			e.log.Warn("speech server", "server", e.host, "error", err)
		}
		return res, err
	}
}

var errTooLong = fmt.Errorf("the answer is longer than %d MB", maxAnswer>>20)

// exchange makes a request and reads the answer. An answer without error has a
// body that needs no closing.
func exchange(req *http.Request, next option.MiddlewareNext) (*http.Response, []byte, error) {
	res, err := next(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, nil, errTooLong
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, body, nil
}

// refusal is an answer that is no transcript.
type refusal struct {
	status int
	said   string // its beginning, on one line
}

func (r *refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s: %s", r.status, http.StatusText(r.status), r.said))
}

// ofManner says whether it is the kind of answer that was not liked.
func (r *refusal) ofManner() bool {
	said := strings.ToLower(r.said)
	return (r.status == http.StatusBadRequest || r.status == http.StatusUnprocessableEntity) &&
		(strings.Contains(said, "response_format") || strings.Contains(said, "verbose_json") || strings.Contains(said, "timestamp_granularit"))
}

// refuse makes a refusal of an answer and shortens the pause that it asks for
// to the longest we make; the library would give up instead.
func (e *Engine) refuse(res *http.Response, body []byte) error {
	res.Header.Del("Retry-After-Ms") // the same as Retry-After, which stands beside it
	after := res.Header.Get("Retry-After")
	seconds, err := strconv.ParseFloat(after, 64)
	if at, notDate := http.ParseTime(after); err != nil && notDate == nil {
		seconds = time.Until(at).Seconds()
	}
	if seconds > e.pause.Seconds() {
		res.Header.Set("Retry-After", strconv.FormatFloat(e.pause.Seconds(), 'f', -1, 64))
	}
	return &refusal{res.StatusCode, e.quote(body)}
}

// quote is the beginning of what a server said, on one line and without the
// key, which some repeat.
func (e *Engine) quote(body []byte) string {
	said := string(body[:min(len(body), 4<<10)])
	if e.cfg.Key != "" {
		said = strings.ReplaceAll(said, e.cfg.Key, "…")
	}
	said = strings.Join(strings.Fields(strings.ToValidUTF8(said, "?")), " ")
	if runes := []rune(said); len(runes) > 300 {
		said = string(runes[:300]) + "…"
	}
	return said
}

// explain says whose fault an error is.
func (e *Engine) explain(err error, language string) error {
	var r *refusal
	if !errors.As(err, &r) {
		return fmt.Errorf("speech server %s: %w", e.host, err)
	}
	switch r.status {
	case http.StatusUnauthorized, http.StatusForbidden: // which may repeat a part of the key
		return fmt.Errorf("the speech server %s refuses the key (HTTP %d); set EARSHOT_STT_KEY", e.host, r.status)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return schemas.Because(schemas.CodeNoModel, r, "the speech server has no model %q or no such address; check EARSHOT_STT_MODEL and EARSHOT_STT_URL", e.cfg.Model)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		if language != "" && strings.Contains(strings.ToLower(r.said), "language") {
			return schemas.Fail(schemas.CodeInvalid, "the speech server does not hear language %q: %s", language, r.said)
		}
		return schemas.Fail(schemas.CodeUndecodable, "the speech server refused the audio: %v", r)
	}
	return fmt.Errorf("speech server %s: %w", e.host, r)
}
