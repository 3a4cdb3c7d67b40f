// Package bi lets BI tools in: one read-only account per organisation on an
// external ClickHouse, which sees the organisation's rows of the BI views
// (schemas/ddl/BI.md) and nothing else, however its SQL is written.
package bi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"earshot/schemas"
)

// prefix of the accounts' names; the organisation's id follows.
const prefix = "earshot_bi_"

// Limits bound one query of an account.
type Limits struct {
	Seconds uint64 `help:"Longest run time of a query, in seconds." default:"60"`
	Memory  uint64 `help:"Memory of a query, in MiB." default:"2048"`
	Rows    uint64 `help:"Rows that a query may read." default:"500000000"`
	Result  uint64 `help:"Rows that a query may give." default:"1000000"`
}

// Accounts makes accounts with the rights of conn's own account, which must be
// allowed to manage access (access_management of ClickHouse's users.xml).
type Accounts struct {
	conn driver.Conn
}

// New returns accounts on an opened connection.
func New(conn driver.Conn) *Accounts { return &Accounts{conn} }

// Create makes the account of an organisation, or brings rights and limits of
// the one there is up to date. The password is shown to nobody again: ClickHouse
// gets its SHA-256. It is "" when there was an account: that keeps its own.
func (a *Accounts) Create(ctx context.Context, org string, l Limits) (user, password string, err error) {
	if user, err = userOf(org); err != nil {
		return "", "", err
	}
	var database string
	if err := a.conn.QueryRow(ctx, "SELECT currentDatabase()").Scan(&database); err != nil {
		return user, "", explain(err)
	}
	known, err := a.List(ctx)
	if err != nil {
		return user, "", err
	}
	if !slices.Contains(known, org) {
		password = rand.Text()
	}
	all := statements(database, org, password, l)
	if err := a.exec(ctx, all[0]); err != nil {
		return user, "", err
	}
	err = a.exec(ctx, all[1:]...)
	if err == nil {
		return user, password, nil
	}
	if password != "" {
		err = fmt.Errorf("%w; the account is there, with not all it needs and a password that nobody knows: repeat the command, then earshot admin bi rotate %s", err, org)
	}
	return user, "", err
}

// statements make the account of an organisation; with a password it is a new
// one. The row policies come before the rights: there is no moment in which rows
// of others can be read.
func statements(database, org, password string, l Limits) (all []string) {
	user, database := quoteName(prefix+org), quoteName(database)
	account := "ALTER USER " + user
	if password != "" {
		account = "CREATE USER " + user + " " + identified(password)
	}
	all = append(all, account+" DEFAULT DATABASE "+database+" SETTINGS "+l.settings())
	for _, view := range schemas.BIViews {
		all = append(all, fmt.Sprintf("CREATE ROW POLICY OR REPLACE %s ON %s.%s FOR SELECT USING org = %s TO %[1]s", user, database, quoteName(view), quoteText(org)))
	}
	all = append(all, "REVOKE ALL ON *.* FROM "+user)
	for _, view := range schemas.BIViews {
		all = append(all, fmt.Sprintf("GRANT SELECT ON %s.%s TO %s", database, quoteName(view), user))
	}
	return all
}

// Rotate gives the account of an organisation a new password.
func (a *Accounts) Rotate(ctx context.Context, org string) (user, password string, err error) {
	if user, err = userOf(org); err != nil {
		return "", "", err
	}
	password = rand.Text()
	return user, password, a.exec(ctx, fmt.Sprintf("ALTER USER %s %s", quoteName(user), identified(password)))
}

// Drop removes the account of an organisation, if there is one.
func (a *Accounts) Drop(ctx context.Context, org string) (user string, err error) {
	if user, err = userOf(org); err != nil {
		return "", err
	}
	// The account goes first: without its policies it would see everything.
	statements := []string{"DROP USER IF EXISTS " + quoteName(user)}
	for _, view := range schemas.BIViews {
		statements = append(statements, fmt.Sprintf("DROP ROW POLICY IF EXISTS %s ON %s", quoteName(user), quoteName(view)))
	}
	return user, a.exec(ctx, statements...)
}

// List gives the organisations that have an account, in order.
func (a *Accounts) List(ctx context.Context) (orgs []string, err error) {
	rows, err := a.conn.Query(ctx, "SELECT name FROM system.users WHERE startsWith(name, {prefix:String}) ORDER BY name", clickhouse.Named("prefix", prefix))
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		orgs = append(orgs, strings.TrimPrefix(name, prefix))
	}
	return orgs, rows.Err()
}

func (a *Accounts) exec(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if err := a.conn.Exec(ctx, s); err != nil {
			return explain(err)
		}
	}
	return nil
}

// settings freezes the limits. What drivers set by themselves may be changed, a limit only downwards: ClickHouse refuses anything else to an account
// with readonly=1, and with it the driver's whole query.
func (l Limits) settings() string {
	most := maps.Clone(schemas.BILimits)
	most["max_execution_time"], most["max_rows_to_read"], most["max_result_rows"] = l.Seconds, l.Rows, l.Result
	most["max_memory_usage"] = l.Memory << 20
	parts := []string{"readonly = 1 CONST", "enable_http_compression = 1 CHANGEABLE_IN_READONLY"}
	for _, name := range slices.Sorted(maps.Keys(most)) {
		parts = append(parts, fmt.Sprintf("%s = %[2]d MIN 1 MAX %[2]d CHANGEABLE_IN_READONLY", name, most[name]))
	}
	return strings.Join(parts, ", ")
}

var orgID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// userOf is the name of an organisation's account.
func userOf(org string) (string, error) {
	if !orgID.MatchString(org) {
		return "", schemas.Fail(schemas.CodeUserInvalid, "there is no such organisation")
	}
	return prefix + org, nil
}

// identified needs no salt: the password is 130 random bits.
func identified(password string) string {
	sum := sha256.Sum256([]byte(password))
	return "IDENTIFIED WITH sha256_hash BY " + quoteText(hex.EncodeToString(sum[:]))
}

func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// ClickHouse's numbers for what a person can do something about.
const (
	notSupported = 48 // CHANGEABLE_IN_READONLY needs settings_constraints_replace_previous, which a server has on by default
	readOnly     = 164
	unknownUser  = 192
	accessDenied = 497
	noStorage    = 514 // no place where accounts are kept
)

func explain(err error) error {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return schemas.Because(schemas.CodeDatabase, err, "")
	}
	switch e.Code {
	case unknownUser:
		return fmt.Errorf("the organisation has no BI account: create it with earshot admin bi create (%w)", err)
	case accessDenied, readOnly:
		return fmt.Errorf("the account in EARSHOT_CLICKHOUSE_URL may not manage access: give it access_management (%w)", err)
	case notSupported, noStorage:
		return fmt.Errorf("this ClickHouse keeps no such accounts: with the embedded one use EARSHOT_CLICKHOUSE_USER; a server needs "+
			"settings_constraints_replace_previous, which is on unless config.xml says otherwise (%w)", err)
	}
	return schemas.Because(schemas.CodeDatabase, err, "")
}
