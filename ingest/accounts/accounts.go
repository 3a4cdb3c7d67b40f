// Package accounts manages organisations, their users and their plans, for the
// API and for `earshot admin`. All of them are entities on the log.
package accounts

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/alexedwards/argon2id"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

// Config holds the knobs of accounts.
type Config struct {
	Plans string `env:"EARSHOT_PLANS" help:"price list that replaces the built-in one, in the form of schemas/plans.yaml; empty: the built-in one"`
}

// Prices reads the price list.
func (c Config) Prices() (schemas.PriceList, error) {
	if c.Plans == "" {
		return schemas.DefaultPrices, nil
	}
	text, err := os.ReadFile(c.Plans)
	if err != nil {
		return schemas.PriceList{}, fmt.Errorf("EARSHOT_PLANS: %w", err)
	}
	list, err := schemas.ParsePrices(text)
	if err != nil {
		return list, fmt.Errorf("EARSHOT_PLANS: %s: %w", c.Plans, err)
	}
	return list, nil
}

// Validate refuses a price list that cannot be read.
func (c *Config) Validate() error {
	_, err := c.Prices()
	return err
}

// Accounts reads and changes accounts. It is safe for concurrent use, by any
// number of processes: changes take turns.
type Accounts struct {
	store   *state.Store
	door    *ingest.Door
	prices  schemas.PriceList
	hashing chan struct{} // argon2id is slow and takes memory by design: so many at once
}

// hashesAtOnce bounds the memory of argon2id (64 MB each) and the cores it may
// take from everybody else.
const hashesAtOnce = 2

// New returns accounts that can subscribe to the plans of prices.
func New(store *state.Store, door *ingest.Door, prices schemas.PriceList) *Accounts {
	return &Accounts{store, door, prices, make(chan struct{}, hashesAtOnce)}
}

// Prices is the price list.
func (a *Accounts) Prices() schemas.PriceList { return a.prices }

// Plan finds a plan by its identifier; 4034 when there is none.
func (a *Accounts) Plan(identifier string) (schemas.Plan, error) {
	for _, p := range a.prices.Plans {
		if p.Identifier == identifier {
			return p, nil
		}
	}
	return schemas.Plan{}, schemas.Fail(schemas.CodePlanNotFound, "%s", ingest.CleanLine(identifier, 64))
}

// alone is for whatever reads an account, changes it and writes it again: else
// of two changes at once one would be undone, a new password for example.
func (a *Accounts) alone(ctx context.Context, do func(context.Context) error) error {
	return a.store.InTurn(ctx, installation, "accounts", do)
}

// installation stands for an organisation where e-mail addresses, which are
// unique over all of them, are changed.
const installation = ""

// put writes the next version of an entity; value nil deletes it. The caller is
// alone.
func (a *Accounts) put(ctx context.Context, org, kind, id string, value any) error {
	if value == nil {
		return a.door.Remove(ctx, org, kind, id)
	}
	return a.door.Save(ctx, org, kind, id, value)
}

// hash makes what is stored of a password.
func (a *Accounts) hash(ctx context.Context, password string) (string, error) {
	return a.limited(ctx, func() (string, error) {
		return argon2id.CreateHash(ingest.PasswordHash(password), argon2id.DefaultParams)
	})
}

func (a *Accounts) limited(ctx context.Context, do func() (string, error)) (string, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
		return do()
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// nobody's password is compared with when there is no such account, so that the
// time of an answer does not tell who has one.
var nobody = sync.OnceValues(func() (string, error) {
	return argon2id.CreateHash("nobody", argon2id.DefaultParams)
})

// Right says whether hash, as a client sends it, is the user's password. It
// takes as long for a user who is not there (ID 0), and says no. Errors: ctx's.
func (a *Accounts) Right(ctx context.Context, u schemas.User, hash string) (bool, error) {
	stored := u.PasswordHash
	if u.ID == 0 {
		var err error
		if stored, err = nobody(); err != nil {
			return false, err
		}
	}
	var right bool
	_, err := a.limited(ctx, func() (_ string, err error) {
		right, err = argon2id.ComparePasswordAndHash(hash, stored)
		return "", err
	})
	return right && u.ID != 0, err
}
