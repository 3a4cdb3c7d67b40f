package accounts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

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

// Bootstrap creates the first organisation, its plan and its administrator
// when no organisation has an administrator yet, whoever else `earshot admin`
// may have made before the first start; it returns the password if it had to
// make one up. Ids are derived from the address, so that two processes starting
// at once create one organisation. Where the address is that of a user, it says
// which command makes that one administrator: it takes over nobody's account.
func (a *Accounts) Bootstrap(ctx context.Context, b Bootstrap) (generated string, err error) {
	has, err := a.administrated(ctx)
	if err != nil || has {
		return "", err
	}
	u, err := a.ByEmail(ctx, b.Email)
	var missing *schemas.Error
	switch {
	case err == nil:
		return "", fmt.Errorf("EARSHOT_BOOTSTRAP_EMAIL: nobody is administrator, and %s is a user of %s already: `earshot admin user role %s admin`, or set another address", u.Email, u.Org, u.Email)
	case !errors.As(err, &missing) || missing.Code != schemas.CodeUserNotFound:
		return "", err
	}
	plan, err := a.Plan(b.Plan)
	if err != nil {
		return "", fmt.Errorf("EARSHOT_BOOTSTRAP_PLAN: %w", err)
	}
	if b.Password == "" {
		generated = rand.Text()
		b.Password = generated
	}
	hash, err := a.hash(ctx, b.Password)
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
		{schemas.KindUser, "1", schemas.User{ID: 1, Org: org, Email: email, PasswordHash: hash, Locale: b.Locale, Role: schemas.RoleAdmin}},
	} {
		if err := a.put(ctx, org, e.kind, e.id, e.value); err != nil {
			return "", fmt.Errorf("create the first %s: %w", e.kind, err)
		}
	}
	return generated, nil
}

// administrated says whether there is an administrator, disabled ones too: who
// keeps one out does not ask for another.
func (a *Accounts) administrated(ctx context.Context) (bool, error) {
	all, err := a.store.Organisations(ctx)
	if err != nil {
		return false, err
	}
	for _, org := range all {
		users, err := a.Users(ctx, org)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(users, func(u schemas.User) bool { return u.Role == schemas.RoleAdmin }) {
			return true, nil
		}
	}
	return false, nil
}

// FirstStart bootstraps the accounts of a process that serves them.
type FirstStart struct {
	Accounts *Accounts
	Config   Bootstrap
	Out      io.Writer // a password that was made up is shown there, once

	done atomic.Bool
}

// Run waits for the state, bootstraps and stays until ctx ends.
func (f *FirstStart) Run(ctx context.Context) error {
	if err := f.Accounts.store.AwaitReady(ctx); err != nil {
		return err
	}
	generated, err := f.Accounts.Bootstrap(ctx, f.Config)
	if generated != "" {
		fmt.Fprintf(f.Out, "First administrator: %s, password %s (shown once)\n", f.Config.Email, generated)
	}
	if err != nil {
		return err
	}
	f.done.Store(true)
	<-ctx.Done()
	return nil
}

// Done is nil once somebody can log in.
func (f *FirstStart) Done() error {
	if !f.done.Load() {
		return errors.New("the first administrator is not created yet")
	}
	return nil
}
