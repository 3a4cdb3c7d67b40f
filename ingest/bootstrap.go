package ingest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"

	"earshot/schemas"
)

// Bootstrap configures the first start on an empty log.
type Bootstrap struct {
	Email        string `env:"EARSHOT_BOOTSTRAP_EMAIL" envDefault:"admin@localhost" help:"e-mail address of the first administrator"`
	Password     string `env:"EARSHOT_BOOTSTRAP_PASSWORD" secret:"true" help:"password of the first administrator; empty: one is generated and printed once"`
	Organisation string `env:"EARSHOT_BOOTSTRAP_ORGANISATION" envDefault:"My organisation" help:"name of the first organisation"`
	Plan         string `env:"EARSHOT_BOOTSTRAP_PLAN" envDefault:"on_premise" help:"plan of the first organisation: pro, enterprise, enterprise_plus or on_premise"`
	Locale       string `env:"EARSHOT_BOOTSTRAP_LOCALE" envDefault:"en" help:"language of the first administrator: en or ru"`
}

// PasswordHash is what a client of the Transcripto API sends for a password:
// the lower-case hex SHA-256 (DESIGN "Reading the seeds").
func PasswordHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// Bootstrap creates the first organisation, its plan and its administrator
// when there is no user yet; it returns the password if it had to make one up.
// Ids are derived from the address, so that two processes starting at once
// create one organisation.
func (d *Door) Bootstrap(ctx context.Context, b Bootstrap) (generated string, err error) {
	has, err := d.store.HasUsers(ctx)
	if err != nil || has {
		return "", err
	}
	plan, ok := schemas.Plans[b.Plan]
	if !ok {
		return "", fmt.Errorf("EARSHOT_BOOTSTRAP_PLAN: there is no plan %q; choose pro, enterprise, enterprise_plus or on_premise", b.Plan)
	}
	if b.Password == "" {
		generated = rand.Text()
		b.Password = generated
	}
	hash, err := argon2id.CreateHash(PasswordHash(b.Password), argon2id.DefaultParams)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	email := strings.ToLower(b.Email)
	sum := sha256.Sum256([]byte(email))
	org := "org_" + hex.EncodeToString(sum[:6])
	for _, e := range []struct {
		kind, id string
		value    any
	}{
		{schemas.KindOrganisation, org, schemas.Organisation{ID: org, Name: b.Organisation, Locale: b.Locale}},
		{schemas.KindPlan, org, plan.Subscribe(time.Now())},
		{schemas.KindUser, "1", schemas.User{ID: 1, Org: org, Email: email, PasswordHash: hash, Locale: b.Locale, Role: "admin"}},
	} {
		data, err := json.Marshal(e.value)
		if err != nil {
			return "", err
		}
		if err := d.Put(ctx, schemas.EntityChanged{Org: org, Kind: e.kind, ID: e.id, Version: 1, Data: data}); err != nil {
			return "", fmt.Errorf("create the first %s: %w", e.kind, err)
		}
	}
	return generated, nil
}
