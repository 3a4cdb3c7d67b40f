package bi

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"earshot/ingest"
	"earshot/ingest/accounts"
	"earshot/schemas"
)

// Commands are the subcommands of `earshot admin bi`, for kong. Their Run
// methods take the command line's context, the console of `earshot admin` and
// these Commands, whose ClickHouse the console's Open has set by the time it
// calls back. A password is shown once.
type Commands struct {
	ClickHouse driver.Conn `kong:"-"`

	Create create `cmd:"" help:"Create the organisation's account for BI tools, or bring its rights and limits up to date."`
	Rotate rotate `cmd:"" help:"Give the account a new password."`
	Drop   drop   `cmd:"" help:"Remove the account."`
	List   list   `cmd:"" help:"Show the organisations that have one."`
}

type target struct {
	Org string `arg:"" help:"Id of the organisation, as earshot admin org list shows it."`
}

type create struct {
	target
	Limits `prefix:"max-"`
}

// Run creates the account.
func (c *create) Run(ctx context.Context, console *accounts.Console, b *Commands) error {
	return b.do(ctx, console, c.Org, "created", func(a *Accounts) (string, string, error) { return a.Create(ctx, c.Org, c.Limits) })
}

type rotate struct{ target }

// Run changes the password.
func (r *rotate) Run(ctx context.Context, console *accounts.Console, b *Commands) error {
	return b.do(ctx, console, r.Org, "rotated", func(a *Accounts) (string, string, error) { return a.Rotate(ctx, r.Org) })
}

type drop struct{ target }

// Run removes the account, also of an organisation that is no more.
func (d *drop) Run(ctx context.Context, console *accounts.Console, b *Commands) error {
	return b.audited(ctx, console, d.Org, "dropped", func(*accounts.Accounts) error {
		user, err := New(b.ClickHouse).Drop(ctx, d.Org)
		if err == nil {
			fmt.Fprintln(console.Out, user, "dropped")
		}
		return err
	})
}

type list struct{}

// Run prints the organisations that have an account.
func (list) Run(ctx context.Context, console *accounts.Console, b *Commands) error {
	return console.Open(ctx, func(*accounts.Accounts, *ingest.Auditor) error {
		orgs, err := New(b.ClickHouse).List(ctx)
		for _, org := range orgs {
			fmt.Fprintf(console.Out, "%s  %s%s\n", org, prefix, org)
		}
		return err
	})
}

// do changes the account of an organisation that is there and shows what comes of it.
func (b *Commands) do(ctx context.Context, console *accounts.Console, org, deed string, change func(*Accounts) (user, password string, err error)) error {
	return b.audited(ctx, console, org, deed, func(people *accounts.Accounts) error {
		if _, err := people.Organisation(ctx, org); err != nil {
			return err
		}
		user, password, err := change(New(b.ClickHouse))
		if err != nil {
			return err
		}
		if password == "" {
			fmt.Fprintf(console.Out, "user %s, its password stays (a new one: earshot admin bi rotate %s)\n", user, org)
			return nil
		}
		fmt.Fprintf(console.Out, "user %s\npassword %s (shown once)\n", user, password)
		return nil
	})
}

// audited leaves an event of what was done.
func (b *Commands) audited(ctx context.Context, console *accounts.Console, org, deed string, do func(*accounts.Accounts) error) error {
	return console.Open(ctx, func(people *accounts.Accounts, audit *ingest.Auditor) error {
		err := do(people)
		if err == nil {
			audit.Record(schemas.AuditRecorded{Org: org, Action: schemas.AuditBI, Object: deed, Address: schemas.CommandLine})
			audit.Await(ctx)
		}
		return err
	})
}
