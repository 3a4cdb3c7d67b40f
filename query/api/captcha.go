package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"earshot/schemas"
)

// captcha asks a provider whether a person solved its puzzle, by the siteverify
// protocol that reCAPTCHA, hCaptcha and Turnstile have in common: the form
// secret, response and remoteip is answered with JSON, {"success": true}.
type captcha struct {
	url, secret string
	client      *http.Client
}

// Bounds of the exchange with the provider.
const (
	captchaTime   = 5 * time.Second
	captchaAnswer = 64 << 10
	captchaToken  = 8 << 10
)

// newCaptcha gives nil where no provider is configured: every token is taken.
func newCaptcha(cfg Config) *captcha {
	if cfg.CaptchaURL == "" {
		return nil
	}
	return &captcha{cfg.CaptchaURL, cfg.CaptchaSecret, &http.Client{
		Timeout: captchaTime,
		// The secret is for the configured address and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func checkCaptcha(cfg *Config) error {
	if (cfg.CaptchaURL == "") != (cfg.CaptchaSecret == "") {
		return errors.New("EARSHOT_CAPTCHA_URL and EARSHOT_CAPTCHA_SECRET belong together: set both or none")
	}
	if u, err := url.Parse(cfg.CaptchaURL); cfg.CaptchaURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("EARSHOT_CAPTCHA_URL must be an http(s) address, such as https://challenges.cloudflare.com/turnstile/v0/siteverify")
	}
	return nil
}

// verify fails closed: 4002 without a token, 4035 when the provider does not
// confirm it, 5030 when it gives no answer.
func (c *captcha) verify(ctx context.Context, token, address string) error {
	if c == nil {
		return nil
	}
	if token == "" {
		return schemas.Fail(schemas.CodeMissing, "captcha_token")
	}
	if len(token) > captchaToken {
		return schemas.Fail(schemas.CodeCaptcha, "")
	}
	answer, err := c.ask(ctx, url.Values{"secret": {c.secret}, "response": {token}, "remoteip": {address}})
	if err == nil && slices.ContainsFunc(answer.Errors, func(code string) bool { return strings.HasSuffix(code, "-input-secret") }) {
		err = errors.New("it does not take EARSHOT_CAPTCHA_SECRET")
	}
	switch {
	case err != nil:
		return schemas.Because(schemas.CodeUnavailable, fmt.Errorf("CAPTCHA provider: %w", err), "the CAPTCHA cannot be verified now")
	case !answer.Success:
		return schemas.Fail(schemas.CodeCaptcha, "")
	}
	return nil
}

type captchaResult struct {
	Success bool     `json:"success"`
	Errors  []string `json:"error-codes"`
}

func (c *captcha) ask(ctx context.Context, form url.Values) (answer captchaResult, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(form.Encode()))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.client.Do(req)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("it answers %s", res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, captchaAnswer+1))
	if err == nil && len(body) > captchaAnswer {
		err = fmt.Errorf("it answers more than %d bytes", captchaAnswer)
	}
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(body, &answer)
}

// close ends the connections that are kept for the next login.
func (c *captcha) close() {
	if c != nil {
		c.client.CloseIdleConnections()
	}
}
