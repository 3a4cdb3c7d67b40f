package notify

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"earshot/schemas"
	"earshot/schemas/fetch"
)

// What a webhook's receiver may take, and how much of its answer is read.
const (
	hookTime   = 15 * time.Second
	hookAnswer = 4 << 10
)

// Secret is what signs a webhook's messages, in the form of Standard Webhooks,
// "whsec_" and base64. It is made of the installation's key, the organisation and
// the webhook's salt, and kept nowhere: the one who adds a webhook sees it once.
func (n *Notifier) Secret(org, salt string) string {
	key, err := hkdf.Key(sha256.New, []byte(n.key), []byte(salt), "earshot webhook "+org, 32)
	if err != nil {
		panic(err) // only a length above 8160 is an error
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// post sends a message to one webhook, signed. id is the same for every try.
// Redirects are not followed: what answers with one has moved, and its owner
// should say where.
func (n *Notifier) post(ctx context.Context, to, secret, id string, m *message) error {
	body, err := m.payload()
	if err != nil {
		return err
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	now := n.now()
	signature, err := signer.Sign(id, now, body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return hookFailure(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Earshot")
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(now.Unix()))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	res, err := n.http.Do(req)
	if err != nil {
		return hookFailure(err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, hookAnswer) // so that the connection may be used again
	switch res.StatusCode / 100 {
	case 2:
		return nil
	case 3:
		return &failure{say: schemas.T("the receiver answers %s, and redirects are not followed: give the address it leads to", answer(res.StatusCode))}
	}
	// 410 is how a receiver says that it wants no more (Standard Webhooks).
	return &failure{say: schemas.T("the receiver answers %s", answer(res.StatusCode)), permanent: res.StatusCode == http.StatusGone}
}

// answer is a status without the receiver's own words.
func answer(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// hookFailure takes the URL out of an error, whose path or query may be secret.
func hookFailure(err error) error {
	var in *url.Error
	if errors.As(err, &in) {
		err = in.Err
	}
	if errors.Is(err, fetch.ErrRefused) {
		return &failure{say: schemas.T("the address is private or special, or its port is neither 80 nor 443; an operator can allow its network by EARSHOT_FETCH_ALLOW"), err: err, permanent: true}
	}
	return &failure{say: schemas.T("the receiver cannot be reached: %s", reason(err, schemas.T("the answer is not understood"))), err: err}
}
