package accounts

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shopspring/decimal"

	"earshot/ingest"
	"earshot/schemas"
)

// Console is where the commands read and write, and what they work on.
type Console struct {
	In   io.Reader
	Out  io.Writer
	Open func(context.Context, func(*Accounts, *ingest.Auditor) error) error // opens the engines for as long as the function runs
}

// Commands are the subcommands of `earshot admin`, for kong. Their Run methods
// take the command line's context and a *Console. Passwords are never in
// arguments: they come from standard input, or are generated and shown once.
type Commands struct {
	Org struct {
		Create  orgCreate  `cmd:"" help:"Create an organisation; it needs a plan and a user next."`
		List    orgList    `cmd:"" help:"Show all organisations."`
		Disable orgDisable `cmd:"" help:"Keep all users of an organisation out; all their tokens end, nothing is deleted."`
		Enable  orgEnable  `cmd:"" help:"Let them in again, with a new login."`
	} `cmd:"" help:"Organisations."`
	User struct {
		Create   userCreate   `cmd:"" help:"Create a user. The password is generated and shown once, or read from standard input."`
		List     userList     `cmd:"" help:"Show the users of an organisation."`
		Disable  userDisable  `cmd:"" help:"Keep a user out; all tokens end."`
		Enable   userEnable   `cmd:"" help:"Let a user in again."`
		Password userPassword `cmd:"" help:"Give a user a new password; all tokens end."`
		Role     userRole     `cmd:"" help:"Change what a user may do."`
	} `cmd:"" help:"Users."`
	Plan struct {
		Set  planSet  `cmd:"" help:"Put an organisation on a plan, or change the terms of the running period."`
		List planList `cmd:"" help:"Show the plans there are, or an organisation's subscriptions."`
	} `cmd:"" help:"Plans."`
	Schedule struct {
		List    scheduleList    `cmd:"" help:"Show scheduled reports, and what went wrong last."`
		Disable scheduleDisable `cmd:"" help:"Order no more reports of a schedule."`
		Enable  scheduleEnable  `cmd:"" help:"Order them again; what was missed is not made up for."`
	} `cmd:"" help:"Scheduled reports."`
}

// do opens the engines and leaves an audit event where do gives one.
func (c *Console) do(ctx context.Context, do func(a *Accounts) (action, org, object string, err error)) error {
	return c.Open(ctx, func(a *Accounts, audit *ingest.Auditor) error {
		action, org, object, err := do(a)
		if err == nil && action != "" {
			audit.Record(schemas.AuditRecorded{Org: org, Action: action, Object: object, Address: schemas.CommandLine})
			audit.Await(ctx)
		}
		return err
	})
}

// table prints rows under a header, one tab between columns.
func (c *Console) table(rows ...string) error {
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	return w.Flush()
}

// password is the first line of standard input where it is asked for, else "".
func (c *Console) password(fromStdin bool) (string, error) {
	if !fromStdin {
		return "", nil
	}
	line, err := bufio.NewReader(io.LimitReader(c.In, 4<<10)).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("no password on standard input (%v)", err)
	}
	return line, nil
}

func (c *Console) tell(generated string) {
	if generated != "" {
		fmt.Fprintf(c.Out, "password %s (shown once)\n", generated)
	}
}

type orgCreate struct {
	Name   string `arg:"" help:"Name of the organisation."`
	Locale string `help:"Its language: en or ru." default:"en" enum:"en,ru"`
}

// Run creates an organisation and prints its id.
func (o *orgCreate) Run(ctx context.Context, c *Console) error {
	return c.do(ctx, func(a *Accounts) (string, string, string, error) {
		made, err := a.CreateOrganisation(ctx, o.Name, o.Locale)
		if err == nil {
			fmt.Fprintln(c.Out, made.ID)
		}
		return schemas.AuditOrganisation, made.ID, "created", err
	})
}

type orgList struct{}

// Run prints all organisations.
func (orgList) Run(ctx context.Context, c *Console) error {
	return c.do(ctx, func(a *Accounts) (_, _, _ string, err error) {
		all, err := a.Organisations(ctx)
		rows := []string{"ID\tNAME\tLOCALE\tSTATE"}
		for _, o := range all {
			rows = append(rows, strings.Join([]string{o.ID, o.Name, o.Locale, stateOf(o.Disabled)}, "\t"))
		}
		if err == nil {
			err = c.table(rows...)
		}
		return "", "", "", err
	})
}

func stateOf(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "enabled"
}

type (
	orgDisable struct {
		ID string `arg:"" help:"Id of the organisation, as list shows it."`
	}
	orgEnable orgDisable
)

// Run keeps the organisation's users out.
func (o *orgDisable) Run(ctx context.Context, c *Console) error {
	return c.setOrganisation(ctx, o.ID, true)
}

// Run lets the organisation's users in.
func (o *orgEnable) Run(ctx context.Context, c *Console) error {
	return c.setOrganisation(ctx, o.ID, false)
}

func (c *Console) setOrganisation(ctx context.Context, id string, disabled bool) error {
	return c.do(ctx, func(a *Accounts) (string, string, string, error) {
		err := a.Admit(ctx, id, !disabled)
		return schemas.AuditOrganisation, id, stateOf(disabled), err
	})
}

type userCreate struct {
	Email    string `arg:"" help:"E-mail address to log in with; nobody else on this installation may have it."`
	Org      string `help:"Id of the organisation." required:""`
	Role     string `help:"admin, supervisor or agent." default:"agent" enum:"admin,supervisor,agent"`
	Locale   string `help:"en or ru; empty: that of the organisation." default:"" enum:",en,ru"`
	Password bool   `name:"password-stdin" help:"Read the password from standard input instead of generating one."`
}

// Run creates a user.
func (u *userCreate) Run(ctx context.Context, c *Console) error {
	password, err := c.password(u.Password)
	if err != nil {
		return err
	}
	return c.do(ctx, func(a *Accounts) (string, string, string, error) {
		made, generated, err := a.CreateUser(ctx, NewUser{u.Org, u.Email, u.Role, u.Locale, password})
		if err == nil {
			fmt.Fprintf(c.Out, "user %d %s\n", made.ID, made.Email)
			c.tell(generated)
		}
		return schemas.AuditUserCreated, u.Org, userObject(made), err
	})
}

func userObject(u schemas.User) string { return fmt.Sprintf("user/%d", u.ID) }

type userList struct {
	Org string `help:"Id of the organisation; empty: of all."`
}

// Run prints users.
func (l *userList) Run(ctx context.Context, c *Console) error {
	return c.do(ctx, func(a *Accounts) (_, _, _ string, err error) {
		orgs := []string{l.Org}
		if l.Org == "" {
			if orgs, err = a.store.Organisations(ctx); err != nil {
				return
			}
		}
		rows := []string{"ORGANISATION\tID\tEMAIL\tROLE\tLOCALE\tSTATE"}
		for _, org := range orgs {
			users, err := a.Users(ctx, org)
			if err != nil {
				return "", "", "", err
			}
			for _, u := range users {
				rows = append(rows, fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s", org, u.ID, u.Email, u.Role, u.Locale, stateOf(u.Disabled)))
			}
		}
		return "", "", "", c.table(rows...)
	})
}

type (
	userDisable struct {
		Email string `arg:"" help:"E-mail address of the user."`
	}
	userEnable userDisable
	userRole   struct {
		Email string `arg:"" help:"E-mail address of the user."`
		Role  string `arg:"" help:"admin, supervisor or agent." enum:"admin,supervisor,agent"`
	}
	userPassword struct {
		Email    string `arg:"" help:"E-mail address of the user."`
		Password bool   `name:"password-stdin" help:"Read the password from standard input instead of generating one."`
	}
)

// Run keeps the user out.
func (u *userDisable) Run(ctx context.Context, c *Console) error {
	yes := true
	return c.setUser(ctx, u.Email, UserChange{Disabled: &yes})
}

// Run lets the user in.
func (u *userEnable) Run(ctx context.Context, c *Console) error {
	no := false
	return c.setUser(ctx, u.Email, UserChange{Disabled: &no})
}

// Run changes the role.
func (u *userRole) Run(ctx context.Context, c *Console) error {
	return c.setUser(ctx, u.Email, UserChange{Role: &u.Role})
}

func (c *Console) setUser(ctx context.Context, email string, change UserChange) error {
	return c.do(ctx, func(a *Accounts) (string, string, string, error) {
		u, err := a.ByEmail(ctx, email)
		if err == nil {
			u, err = a.ChangeUser(ctx, u.Org, u.ID, change)
		}
		return schemas.AuditUserChanged, u.Org, userObject(u), err
	})
}

// Run changes the password.
func (u *userPassword) Run(ctx context.Context, c *Console) error {
	password, err := c.password(u.Password)
	if err != nil {
		return err
	}
	return c.do(ctx, func(a *Accounts) (string, string, string, error) {
		found, err := a.ByEmail(ctx, u.Email)
		if err != nil {
			return "", "", "", err
		}
		_, generated, err := a.SetPassword(ctx, found.Org, found.ID, password)
		if err == nil {
			c.tell(generated)
		}
		return schemas.AuditPassword, found.Org, userObject(found), err
	})
}

type planSet struct {
	Org     string    `arg:"" help:"Id of the organisation."`
	Plan    string    `arg:"" help:"Identifier of the plan, as list shows it."`
	Start   time.Time `help:"First day, UTC; empty: the running period of the same plan, else now." format:"2006-01-02" placeholder:"YYYY-MM-DD"`
	Periods int       `help:"Periods to subscribe to, one after the other." default:"1"`
	Overage bool      `help:"Beyond what is included go on at the price of a unit, instead of refusing."`
	Price   string    `help:"Agreed price of a period in the list's currency; empty: that of the list." placeholder:"AMOUNT"`
}

// Run subscribes.
func (p *planSet) Run(ctx context.Context, c *Console) error {
	terms := Terms{Start: p.Start, Periods: p.Periods, Overage: p.Overage}
	if p.Price != "" {
		price, err := decimal.NewFromString(p.Price)
		if err != nil {
			return fmt.Errorf("--price: %w", err)
		}
		terms.Price = &price
	}
	return c.do(ctx, func(a *Accounts) (string, string, string, error) {
		all, err := a.Subscribe(ctx, p.Org, p.Plan, terms)
		if err == nil {
			err = c.subscriptions(all)
		}
		return schemas.AuditPlan, p.Org, "plan/" + p.Plan, err
	})
}

func (c *Console) subscriptions(all []schemas.Subscription) error {
	rows := []string{"PLAN\tFROM\tTO\tPRICE\tBEYOND WHAT IS INCLUDED"}
	for _, s := range all {
		price, beyond := "-", "refused"
		if value := s.Prices[s.Currency].Package; value != nil {
			price = value.String() + " " + s.Currency
		}
		if s.Overage {
			beyond = "at a price"
		}
		rows = append(rows, strings.Join([]string{s.Identifier, s.Start.Format(time.DateTime), s.End.Format(time.DateTime), price, beyond}, "\t"))
	}
	return c.table(rows...)
}

type planList struct {
	Org string `help:"Show the subscriptions of this organisation instead."`
}

// Run prints plans or subscriptions.
func (p *planList) Run(ctx context.Context, c *Console) error {
	return c.do(ctx, func(a *Accounts) (_, _, _ string, err error) {
		if p.Org != "" {
			var all []schemas.Subscription
			if all, err = a.Subscriptions(ctx, p.Org); err == nil {
				err = c.subscriptions(all)
			}
			return
		}
		rows := []string{"PLAN\tNAME\tCURRENCY\tPERIOD\tMINUTE\tCHAT\tTRANSCRIBED MINUTE"}
		for _, plan := range a.prices.Plans {
			prices, period := plan.Prices[plan.Currency], "by volume"
			if plan.Unmetered {
				period = "-"
			}
			if prices.Package != nil {
				period = prices.Package.String()
			}
			rows = append(rows, strings.Join([]string{plan.Identifier, plan.Name, plan.Currency, period, prices.Minute.String(), prices.Chat.String(), prices.Transcription.String()}, "\t"))
		}
		return "", "", "", c.table(rows...)
	})
}
