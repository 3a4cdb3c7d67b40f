package chdb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"earshot/deploy/engines/chdb"
)

// start runs the engine on dir; a process holds one at a time, so no test here is parallel.
func start(t testing.TB, opts chdb.Options) *chdb.Server {
	t.Helper()
	lib, err := chdb.Locate("")
	if err != nil {
		t.Fatal(err)
	}
	opts.Library = lib
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	server, err := chdb.Open(opts, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func stop(t testing.TB, server *chdb.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Error(err)
	}
}

func options(server *chdb.Server) *clickhouse.Options {
	user, password := server.Account()
	return &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{server.Addr()},
		Auth: clickhouse.Auth{Database: "default", Username: user, Password: password}}
}

func connect(t testing.TB, opts *clickhouse.Options) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func mustExec(t testing.TB, conn driver.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func count(t testing.TB, conn driver.Conn, from string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+from).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const typesDDL = `CREATE TABLE calls (id UUID, org UInt64, started DateTime64(3, 'UTC'), day Date, lang LowCardinality(String), agent LowCardinality(Nullable(String)),
	score Nullable(Float64), tags Array(String), topics Array(LowCardinality(String)), extra Map(String, String), bits Array(Array(UInt8)), pair Tuple(a Int8, b String),
	kind Enum8('call' = 1, 'chat' = 2), ok Bool, note String, price Decimal(18, 4), ip IPv4, version UInt64)
	ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMM(day) ORDER BY (org, id) SETTINGS non_replicated_deduplication_window = 100`

type call struct {
	ID      uuid.UUID         `ch:"id"`
	Started time.Time         `ch:"started"`
	Lang    string            `ch:"lang"`
	Agent   *string           `ch:"agent"`
	Score   *float64          `ch:"score"`
	Tags    []string          `ch:"tags"`
	Topics  []string          `ch:"topics"`
	Extra   map[string]string `ch:"extra"`
	Bits    [][]uint8         `ch:"bits"`
	Kind    string            `ch:"kind"`
	OK      bool              `ch:"ok"`
	Note    string            `ch:"note"`
}

func insertCalls(ctx context.Context, conn driver.Conn, from, n int) error {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO calls")
	if err != nil {
		return err
	}
	started := time.Date(2026, 3, 1, 12, 0, 0, 7e6, time.UTC)
	for i := from; i < from+n; i++ {
		var agent *string
		var score *float64
		if i%2 == 0 {
			name, value := fmt.Sprintf("agent\n%d", i%5), float64(i)/2
			agent, score = &name, &value
		}
		id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i))
		err := batch.Append(id, uint64(i%3), started, started, []string{"en", "ru"}[i%2], agent, score, []string{"a", "b\n;", ""}, []string{"t"},
			map[string]string{"k": "v"}, [][]uint8{{1, 2}, {}}, []any{int8(1), "x"}, "chat", true, fmt.Sprintf("строка\n\n;%d\x00", i), "1.5", "10.0.0.1", uint64(1))
		if err != nil {
			return err
		}
	}
	return batch.Send()
}

func TestEveryTypeComesBackAsItWent(t *testing.T) {
	server := start(t, chdb.Options{})
	defer stop(t, server)
	for name, compression := range map[string]*clickhouse.Compression{
		"none": nil, "lz4": {Method: clickhouse.CompressionLZ4}, "zstd": {Method: clickhouse.CompressionZSTD, Level: 1}, "gzip": {Method: clickhouse.CompressionGZIP, Level: 1},
		"deflate": {Method: clickhouse.CompressionDeflate, Level: 1}, "brotli": {Method: clickhouse.CompressionBrotli, Level: 1},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(server)
			opts.Compression = compression
			opts.Settings = clickhouse.Settings{"enable_http_compression": 1}
			conn := connect(t, opts)
			mustExec(t, conn, "DROP TABLE IF EXISTS calls SYNC", typesDDL)
			if err := insertCalls(t.Context(), conn, 0, 10_000); err != nil {
				t.Fatal(err)
			}
			var got []call
			query := "SELECT * EXCEPT (org, day, pair, price, ip, version) FROM calls WHERE id IN ({ids:Array(UUID)}) AND note LIKE {like:String} ORDER BY note"
			ids := []uuid.UUID{uuid.NewSHA1(uuid.NameSpaceOID, []byte("8")), uuid.NewSHA1(uuid.NameSpaceOID, []byte("9"))}
			if err := conn.Select(t.Context(), &got, query, clickhouse.Named("ids", ids), clickhouse.Named("like", "строка\n%")); err != nil {
				t.Fatal(err)
			}
			if len(got) != 2 || got[0].Agent == nil || *got[0].Agent != "agent\n3" || *got[0].Score != 4 || got[1].Agent != nil || got[1].Score != nil {
				t.Fatalf("got %+v", got)
			}
			g := got[1]
			if g.Note != "строка\n\n;9\x00" || g.Lang != "ru" || fmt.Sprintf("%v %v %v %v %v %v", g.Tags, g.Topics, g.Extra, g.Bits, g.Kind, g.OK) != "[a b\n; ] [t] map[k:v] [[1 2] []] chat true" ||
				!g.Started.Equal(time.Date(2026, 3, 1, 12, 0, 0, 7e6, time.UTC)) {
				t.Errorf("got %+v", g)
			}
			if n := count(t, conn, "calls"); n != 10_000 {
				t.Errorf("%d rows", n)
			}
		})
	}
}

func TestLargeResultsAreStreamed(t *testing.T) {
	server := start(t, chdb.Options{})
	defer stop(t, server)
	conn := connect(t, options(server))
	rows, err := conn.Query(t.Context(), "SELECT number, toString(number) FROM numbers(1000000)")
	if err != nil {
		t.Fatal(err)
	}
	var sum, n uint64
	var text string
	for rows.Next() {
		if err := rows.Scan(&n, &text); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if rows.Err() != nil || sum != 499999500000 || text == "" {
		t.Errorf("sum %d: %v", sum, rows.Err())
	}
	// Half-way through, when the status has long been sent.
	rows, err = conn.Query(t.Context(), "SELECT number, throwIf(number = 900000, 'half-way') FROM numbers(1000000)")
	for err == nil && rows.Next() {
	}
	if err == nil {
		err = rows.Err()
	}
	var ex *clickhouse.Exception
	if !errors.As(err, &ex) || ex.Code != 395 {
		t.Errorf("got %v", err)
	}
}

func TestErrorsAndSettings(t *testing.T) {
	server := start(t, chdb.Options{})
	defer stop(t, server)
	conn := connect(t, options(server))
	for _, c := range []struct {
		name, sql string
		settings  clickhouse.Settings
		code      int32
		status    int
	}{
		{"no such table", "SELECT * FROM nosuch", nil, 60, 404},
		{"syntax", "SELEC 1", nil, 62, 400},
		{"two statements", "SELECT 1; DROP TABLE x", nil, 62, 400},
		{"unknown setting", "SELECT 1", clickhouse.Settings{"nosuch_setting": 1}, 115, 400},
		{"setting's value", "SELECT 1", clickhouse.Settings{"max_threads": "many"}, 0, 0},
		{"name of a setting", "SELECT 1", clickhouse.Settings{"a=1; DROP TABLE x; SET b": 1}, 115, 400},
		{"time", "SELECT count() FROM numbers(1e12) WHERE NOT ignore(sipHash64(number))", clickhouse.Settings{"max_execution_time": "0.2"}, 159, 408},
		{"memory", "SELECT groupArray(number) FROM numbers(100000000)", clickhouse.Settings{"max_memory_usage": 10_000_000}, 241, 500},
		{"outfile", "SELECT 1 INTO OUTFILE '/tmp/x'", nil, 205, 500},
		{"infile", "INSERT INTO x FROM INFILE '/etc/passwd' FORMAT CSV", nil, 205, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := conn.Exec(clickhouse.Context(t.Context(), clickhouse.WithSettings(c.settings)), c.sql)
			var ex *clickhouse.Exception
			var he *clickhouse.HTTPError
			if !errors.As(err, &ex) || !errors.As(err, &he) {
				t.Fatalf("got %v", err)
			}
			if c.code != 0 && (ex.Code != c.code || he.StatusCode != c.status) {
				t.Errorf("got %v", err)
			}
		})
	}
	var threads string
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
	if err := conn.QueryRow(ctx, "SELECT toString(getSetting('max_threads'))").Scan(&threads); err != nil || threads != "1" {
		t.Errorf("max_threads %q, %v", threads, err)
	}
	var limit string // what one statement set, the next does not see
	if err := conn.QueryRow(t.Context(), "SELECT toString(getSetting('max_execution_time'))").Scan(&limit); err != nil || limit != "0" {
		t.Errorf("max_execution_time %q, %v", limit, err)
	}
	mustExec(t, conn, "CREATE DATABASE other", "CREATE TABLE other.t (a UInt8) ENGINE = Memory")
	opts := options(server)
	opts.Auth.Database = "other"
	if n := count(t, connect(t, opts), "t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestRepeatedInsertIsTakenOnce(t *testing.T) {
	server := start(t, chdb.Options{})
	defer stop(t, server)
	conn := connect(t, options(server))
	mustExec(t, conn, typesDDL)
	for _, token := range []string{"a", "a", "b"} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
		if err := insertCalls(ctx, conn, 0, 100); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, conn, "calls"); n != 200 {
		t.Errorf("%d rows before merging, want two batches of 100", n)
	}
	if n := count(t, conn, "calls FINAL"); n != 100 {
		t.Errorf("%d rows FINAL", n)
	}
}

func TestConcurrency(t *testing.T) {
	server := start(t, chdb.Options{Concurrency: 4})
	defer stop(t, server)
	opts := options(server)
	opts.MaxOpenConns = 32
	conn := connect(t, opts)
	mustExec(t, conn, typesDDL)
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			if err := insertCalls(t.Context(), conn, i*100, 100); err != nil {
				t.Error(err)
			}
			var n uint64
			if err := conn.QueryRow(t.Context(), "SELECT count() FROM calls FINAL WHERE org = {org:UInt64}", clickhouse.Named("org", i%3)).Scan(&n); err != nil || n == 0 {
				t.Error(n, err)
			}
		})
	}
	group.Wait()
	if n := count(t, conn, "calls FINAL"); n != 3200 {
		t.Errorf("%d rows", n)
	}
}

func TestCancelledStatementsStop(t *testing.T) {
	server := start(t, chdb.Options{})
	defer stop(t, server)
	conn := connect(t, options(server))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := conn.Exec(ctx, "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		n := count(t, conn, "system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'")
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the statement runs on")
		}
	}
}

func TestSQLDatabase(t *testing.T) {
	server := start(t, chdb.Options{})
	defer stop(t, server)
	db := clickhouse.OpenDB(options(server))
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE v (id Int64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY id"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO v (id) VALUES (?)", 7); err != nil {
		t.Fatal(err)
	}
	var id int64
	if err := db.QueryRowContext(t.Context(), "SELECT id FROM v WHERE id = $1", 7).Scan(&id); err != nil || id != 7 {
		t.Error(id, err)
	}
	if err := db.QueryRowContext(t.Context(), "SELECT id FROM v WHERE id = 8").Scan(&id); !errors.Is(err, sql.ErrNoRows) {
		t.Error(err)
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAMergeOfWideRowsTakesLittleMemory merges a table that does not fit in the
// engine's memory: a merge that held all columns at once would be refused, again
// and again, and inserts and queries beside it too. It has a process of its own:
// the engine counts what the whole process holds, other tests' leavings too.
func TestAMergeOfWideRowsTakesLittleMemory(t *testing.T) {
	const alone = "EARSHOT_TEST_ALONE"
	if os.Getenv(alone) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), alone+"=1")
		if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	const columns, parts, rows = 60, 24, 1500
	server := start(t, chdb.Options{MaxMemory: 384 << 20})
	defer stop(t, server)
	conn := connect(t, options(server))
	var define, values strings.Builder
	for c := range columns {
		fmt.Fprintf(&define, ", c%d String", c)
		fmt.Fprintf(&values, ", randomPrintableASCII(200, %d)", c)
	}
	mustExec(t, conn, "CREATE TABLE wide (id UInt64"+define.String()+") ENGINE = ReplacingMergeTree ORDER BY id SETTINGS max_compress_block_size = 131072", "SYSTEM STOP MERGES wide")
	for part := range parts {
		mustExec(t, conn, fmt.Sprintf("INSERT INTO wide SELECT %d + number%s FROM numbers(%d) SETTINGS max_block_size = 500, min_insert_block_size_bytes = 10000000, max_threads = 1", part*rows, values.String(), rows))
	}
	mustExec(t, conn, "SYSTEM START MERGES wide", "OPTIMIZE TABLE wide FINAL")
	if n := count(t, conn, "wide"); n != parts*rows {
		t.Errorf("%d rows after the merge, want %d", n, parts*rows)
	}
	if n := count(t, conn, "system.parts WHERE table = 'wide' AND active"); n != 1 {
		t.Errorf("%d parts after the merge, want 1", n)
	}
}
