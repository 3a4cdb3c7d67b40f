package bi

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.uber.org/goleak"

	"earshot/deploy/engines/chdb"
	"earshot/schemas"
	"earshot/sinks/warehouse"
)

// The real ClickHouse engine; a process holds one, so all tests share it, and the sample rows of two organisations.
var (
	db     driver.Conn // may do everything
	reader driver.Conn // the account for BI tools of a single machine
)

// begin is the first moment of the sample, which lasts for sampleDays.
var begin = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

const sampleDays = 30

var organisations = map[string]int{"org_1": 3000, "org_2": 1500} // rows by organisation

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "bi")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := writeUsers(dir); err != nil {
		return 1, err
	}
	lib, err := chdb.Locate("")
	if err != nil {
		return 1, err
	}
	server, err := chdb.Open(chdb.Options{Library: lib, Dir: dir, User: "tool", Password: "secret", Readable: schemas.BIViews, Limits: schemas.BILimits}, slog.New(slog.DiscardHandler))
	if err != nil {
		return 1, err
	}
	user, password := server.Account()
	opts := func(user, password string) *clickhouse.Options {
		return &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{server.Addr()}, Auth: clickhouse.Auth{Database: "default", Username: user, Password: password},
			Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP}} // as Grafana's driver has it
	}
	migrations := clickhouse.OpenDB(opts(user, password))
	if err := warehouse.Migrate(context.Background(), migrations); err != nil {
		return 1, err
	}
	if db, err = clickhouse.Open(opts(user, password)); err != nil {
		return 1, err
	}
	if reader, err = clickhouse.Open(opts("tool", "secret")); err != nil {
		return 1, err
	}
	if err := fill(); err != nil {
		return 1, err
	}
	code = m.Run()
	for _, close := range []func() error{db.Close, reader.Close, migrations.Close, func() error { return server.Close(context.Background()) }} {
		if err := close(); err != nil {
			return 1, err
		}
	}
	if code == 0 {
		err = goleak.Find()
	}
	return code, err
}

//go:embed testdata/interactions.sql
var second string

//go:embed testdata/segments.sql
var segments string

// fill loads the benchmarks' conversations and, as newer versions of the same rows, what those lack.
func fill() error {
	first, err := os.ReadFile("../read/testdata/interactions.sql")
	if err != nil {
		return err
	}
	for org, rows := range organisations {
		err := db.Exec(context.Background(), string(first), clickhouse.Named("org", org), clickhouse.Named("first", 0), clickhouse.Named("rows", rows),
			clickhouse.Named("begin", begin), clickhouse.Named("step", sampleDays*24*3600*1000/rows))
		if err != nil {
			return err
		}
	}
	for _, sql := range []string{second, segments} {
		for s := range strings.SplitSeq(sql, ";\n") {
			if strings.TrimSpace(s) == "" {
				continue
			}
			if err := db.Exec(context.Background(), s); err != nil {
				return fmt.Errorf("%.60s: %w", s, err)
			}
		}
	}
	return nil
}

var (
	granted  = regexp.MustCompile("^(GRANT SELECT ON .+) TO ")
	filtered = regexp.MustCompile("^CREATE ROW POLICY .+ ON `default`.`(.+)` FOR SELECT USING (.+) TO ")
)

// writeUsers gives the engine the accounts of the organisations: chDB has no place where CREATE USER would put them, but reads them from users.d. The
// rights and policies are those of the statements that an external ClickHouse is sent.
func writeUsers(dir string) error {
	var users strings.Builder
	for org := range organisations {
		var grants, policies strings.Builder
		for _, s := range statements("default", org, "password", Limits{}) {
			if m := granted.FindStringSubmatch(s); m != nil {
				fmt.Fprintf(&grants, "<query>%s</query>", m[1])
			}
			if m := filtered.FindStringSubmatch(s); m != nil {
				fmt.Fprintf(&policies, "<%[1]s><filter>%[2]s</filter></%[1]s>", m[1], m[2])
			}
		}
		fmt.Fprintf(&users, "<%[1]s><password>x</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota><grants>%[2]s</grants><databases><default>%[3]s</default></databases></%[1]s>",
			prefix+org, grants.String(), policies.String())
	}
	folder := filepath.Join(dir, "users.d")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "bi.xml"), fmt.Appendf(nil, "<clickhouse><users>%s</users></clickhouse>", users.String()), 0o600)
}

// rows reads a result whole; values as fmt prints them, NULL as "NULL".
func rows(t testing.TB, conn driver.Conn, sql string) (columns []string, all [][]string) {
	t.Helper()
	columns, all, err := tryRows(t.Context(), conn, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return columns, all
}

func tryRows(ctx context.Context, conn driver.Conn, sql string) (columns []string, all [][]string, err error) {
	found, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, nil, err
	}
	defer found.Close()
	types := found.ColumnTypes()
	for found.Next() {
		values := make([]any, len(types))
		for i, column := range types {
			values[i] = reflect.New(column.ScanType()).Interface()
		}
		if err := found.Scan(values...); err != nil {
			return nil, nil, err
		}
		row := make([]string, len(values))
		for i := range values {
			value := reflect.ValueOf(values[i]).Elem()
			for value.Kind() == reflect.Pointer && !value.IsNil() {
				value = value.Elem()
			}
			if row[i] = "NULL"; value.Kind() != reflect.Pointer {
				row[i] = fmt.Sprint(value.Interface())
			}
		}
		all = append(all, row)
	}
	return found.Columns(), all, found.Err()
}
