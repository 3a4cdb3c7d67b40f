// Package client calls Earshot's HTTP API: the demo, the benchmark and the
// end-to-end tests are clients like any other and use nothing else.
package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"time"
)

// Client talks to one server with one token. It is safe for concurrent use
// after Login.
type Client struct {
	Base  string // http://host:port
	Token string
	HTTP  *http.Client
}

// New returns a client of the server at base.
func New(base string) *Client {
	return &Client{Base: base, HTTP: &http.Client{
		Timeout:   2 * time.Minute,
		Transport: &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second},
	}}
}

// Error is an answer that says no: a status other than 2xx, or a business
// error in a 200.
type Error struct {
	Status  int    `json:"-"` // HTTP status; gettask's answer has a "status" of its own
	Code    int    `json:"error_code"`
	Message string `json:"error_message"`
}

// Error says what the server said.
func (e *Error) Error() string {
	return fmt.Sprintf("HTTP %d, error %d: %s", e.Status, e.Code, e.Message)
}

// Login obtains a token for password, which leaves this machine hashed.
func (c *Client) Login(ctx context.Context, email, password string) error {
	sum := sha256.Sum256([]byte(password))
	var answer struct {
		Token string `json:"token"`
	}
	err := c.Post(ctx, "/auth/login", nil, map[string]string{"email": email, "password_hash": hex.EncodeToString(sum[:])}, &answer)
	c.Token = answer.Token
	return err
}

// Get calls path with query parameters and decodes the JSON answer.
func (c *Client) Get(ctx context.Context, path string, query url.Values, answer any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.Do(ctx, http.MethodGet, path, nil, nil, answer)
}

// Post sends body as JSON; body may also be ready bytes.
func (c *Client) Post(ctx context.Context, path string, header http.Header, body, answer any) error {
	raw, ok := body.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	h := http.Header{"Content-Type": {"application/json"}}
	for k, v := range header {
		h[k] = v
	}
	return c.Do(ctx, http.MethodPost, path, h, bytes.NewReader(raw), answer)
}

// Upload sends a recording as multipart/form-data, with the form fields before
// the file, and returns the task code.
func (c *Client) Upload(ctx context.Context, name string, audio io.Reader, fields map[string]string, header http.Header) (code string, err error) {
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		err := writeForm(form, name, audio, fields)
		w.CloseWithError(err)
	}()
	h := http.Header{"Content-Type": {form.FormDataContentType()}}
	for k, v := range header {
		h[k] = v
	}
	var answer struct {
		Code string `json:"code"`
	}
	err = c.Do(ctx, http.MethodPost, "/addtaskcall", h, body, &answer)
	return answer.Code, err
}

func writeForm(form *multipart.Writer, name string, audio io.Reader, fields map[string]string) error {
	for k, v := range fields {
		if err := form.WriteField(k, v); err != nil {
			return err
		}
	}
	part, err := form.CreateFormFile("file", filepath.Base(name))
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, audio); err != nil {
		return err
	}
	return form.Close()
}

// Chat submits a chat (the body of POST /add_chat_analysis_task) and returns
// the task code. A non-empty key is sent as Idempotency-Key.
func (c *Client) Chat(ctx context.Context, body any, key string) (code string, err error) {
	var answer struct {
		Code string `json:"task_code"`
	}
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	err = c.Post(ctx, "/add_chat_analysis_task", header, body, &answer)
	return answer.Code, err
}

// Task is the answer of GET /gettask.
type Task struct {
	ID      int64   `json:"id"`
	Type    string  `json:"type"`
	Status  string  `json:"status"`
	File    *string `json:"file_name"`
	Error   *string `json:"error_message"`
	Code    string  `json:"task_code"`
	Minutes float64 `json:"task_length"`
	Result  *struct {
		Text *string `json:"original_text"`
	} `json:"task_result"`
}

// Done reports whether the task has ended, well or badly.
func (t Task) Done() bool { return t.Status == "completed" || t.Status == "error" }

// Task asks for one task.
func (c *Client) Task(ctx context.Context, code string) (t Task, err error) {
	return t, c.Get(ctx, "/gettask", url.Values{"task_code": {code}}, &t)
}

// Wait polls a task until it has ended or ctx has.
func (c *Client) Wait(ctx context.Context, code string, every time.Duration) (Task, error) {
	for {
		t, err := c.Task(ctx, code)
		if err != nil || t.Done() {
			return t, err
		}
		select {
		case <-ctx.Done():
			return t, fmt.Errorf("task %s is still %s: %w", code, t.Status, ctx.Err())
		case <-time.After(every):
		}
	}
}

// Do sends a request and decodes the JSON answer into answer, which may be
// nil. An answer that says no is an *Error.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return err
	}
	refusal := Error{Status: res.StatusCode}
	if err := json.Unmarshal(raw, &refusal); err != nil && res.StatusCode == http.StatusOK {
		return fmt.Errorf("%s %s answers no JSON: %w", method, path, err)
	}
	if answer != nil && len(raw) > 0 && json.Valid(raw) {
		if err := json.Unmarshal(raw, answer); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	if res.StatusCode/100 != 2 || refusal.Code != 0 {
		return &refusal
	}
	return nil
}
