package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"earshot/deploy/client"
	"earshot/schemas/openapi/conform"
)

// answer is an HTTP answer, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// contract is what every answer is held against.
var contract = sync.OnceValues(conform.New)

// call sends a request as c and gives whatever is answered, which must be as the
// OpenAPI document has it. body is JSON, ready bytes, or nil.
func (s *stack) call(c *client.Client, method, path string, header http.Header, body any) answer {
	s.Helper()
	raw, ready := body.([]byte)
	if !ready && body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			s.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(s.Context(), method, c.Base+path, bytes.NewReader(raw))
	if err != nil {
		s.Fatal(err)
	}
	if !ready && body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	document, err := contract()
	if err != nil {
		s.Fatal(err)
	}
	if err := document.Answer(method, req.URL.Path, res.StatusCode, res.Header, got); err != nil {
		s.Error(err)
	}
	return answer{res.StatusCode, res.Header, got}
}

// get is the JSON of a successful GET.
func (s *stack) get(path string) map[string]any {
	s.Helper()
	a := s.call(s.Client, http.MethodGet, path, nil, nil)
	if a.status != http.StatusOK {
		s.Fatalf("GET %s: HTTP %d %s", path, a.status, a.body)
	}
	return a.json(s)
}

func (a answer) json(t testing.TB) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatalf("HTTP %d %q is no JSON object: %v", a.status, a.body, err)
	}
	return doc
}

// form makes the body of POST /addtaskcall.
func form(t testing.TB, name string, audio []byte, fields map[string]string) (http.Header, []byte) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	var errs []error
	for k, v := range fields {
		errs = append(errs, w.WriteField(k, v))
	}
	part, err := w.CreateFormFile("file", filepath.Base(name))
	errs = append(errs, err)
	if err == nil {
		_, err = part.Write(audio)
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, w.Close())...); err != nil {
		t.Fatal(err)
	}
	return http.Header{"Content-Type": {w.FormDataContentType()}}, body.Bytes()
}

// passwordHash is what clients send for a password (seed section 1).
func passwordHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// broken are the engines that an answer of /readyz says are not well.
func (a answer) broken(t testing.TB) (names []string) {
	t.Helper()
	var doc struct {
		Engines map[string]json.RawMessage `json:"engines"`
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || len(doc.Engines) == 0 {
		t.Fatal(errors.Join(err, fmt.Errorf("/readyz answers %s", a.body)))
	}
	for name, state := range doc.Engines {
		if string(state) != `"ok"` {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
