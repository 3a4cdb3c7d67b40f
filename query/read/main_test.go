package read_test

import (
	"context"
	"database/sql"
	_ "embed"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/pressly/goose/v3"
	"go.uber.org/goleak"

	"earshot/deploy/engines/chdb"
	"earshot/query/read"
	"earshot/schemas"
)

// db is the real ClickHouse engine; a process holds one, so all tests share it.
var db driver.Conn

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("10") // each check asks about a hundred queries
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "read")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	lib, err := chdb.Locate("")
	if err != nil {
		return 1, err
	}
	server, err := chdb.Open(chdb.Options{Library: lib, Dir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		return 1, err
	}
	user, password := server.Account()
	opts := &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{server.Addr()}, Auth: clickhouse.Auth{Database: "default", Username: user, Password: password}}
	if db, err = clickhouse.Open(opts); err != nil {
		return 1, err
	}
	migrations := clickhouse.OpenDB(opts)
	if err := migrate(migrations); err != nil {
		return 1, err
	}
	code = m.Run()
	for _, close := range []func() error{db.Close, migrations.Close, func() error { return server.Close(context.Background()) }} {
		if err := close(); err != nil {
			return 1, err
		}
	}
	if code == 0 {
		err = goleak.Find()
	}
	return code, err
}

func migrate(conn *sql.DB) error {
	files, err := fs.Sub(schemas.DDL, "ddl")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectClickHouse, conn, files)
	if err != nil {
		return err
	}
	_, err = provider.Up(context.Background())
	return err
}

func exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if err := db.Exec(context.Background(), query, args...); err != nil {
		t.Fatalf("%.100s: %v", query, err)
	}
}

//go:embed testdata/interactions.sql
var million string

// load makes rows interactions of org with the benchmarks' SQL, over a year.
func load(t testing.TB, org string, rows int) {
	t.Helper()
	loadInto(t, org, rows, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), 365*24*time.Hour)
}

// loadInto is load over any time.
func loadInto(t testing.TB, org string, rows int, begin time.Time, length time.Duration) {
	t.Helper()
	const piece = 20_000
	for first := 0; first < rows; first += piece {
		exec(t, million, clickhouse.Named("org", org), clickhouse.Named("first", first), clickhouse.Named("rows", min(piece, rows-first)),
			clickhouse.Named("begin", begin), clickhouse.Named("step", length.Milliseconds()/int64(rows)))
	}
}

// What the benchmarks load is what the sink would have written.
func TestLoadedRowsAreLikeTheSinks(t *testing.T) {
	exec(t, "TRUNCATE TABLE interactions")
	load(t, "org_1", 30_000)
	rows, err := db.Query(t.Context(), "SELECT summary, text, words FROM interactions FINAL WHERE id % 1000 = 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var summary, text string
		var words []string
		if err := rows.Scan(&summary, &text, &words); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, w := range schemas.SearchWords(summary, text) {
			want[w] = true
		}
		for _, w := range words {
			if !want[w] {
				t.Errorf("word %q is not in the text", w)
			}
			delete(want, w)
		}
		if len(want) > 0 {
			t.Errorf("words are missing: %v", want)
		}
	}
	if n != 30 {
		t.Errorf("%d rows, want 30", n)
	}
	page, err := read.New(db).Filter(t.Context(), "org_1", read.Criteria{PerPage: 100})
	if err != nil || page.Total != 30_000 || len(page.Tasks) != 100 {
		t.Errorf("page of %d of %d: %v", len(page.Tasks), page.Total, err)
	}
}
