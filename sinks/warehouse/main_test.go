package warehouse_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"earshot/deploy/engines/chdb"
	"earshot/schemas"
	"earshot/sinks/warehouse"
)

// db is the real ClickHouse engine; a process holds one, so all tests share it.
var db struct {
	driver.Conn
	opts *clickhouse.Options
}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("12") // each check runs a broker and restarts the sink
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "warehouse")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	lib, err := chdb.Locate("")
	if err != nil {
		return 1, err
	}
	server, err := chdb.Open(chdb.Options{Library: lib, Dir: dir, MaxMemory: 512 << 20}, slog.New(slog.DiscardHandler))
	if err != nil {
		return 1, err
	}
	user, password := server.Account()
	db.opts = &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{server.Addr()}, Auth: clickhouse.Auth{Database: "default", Username: user, Password: password}}
	if db.Conn, err = clickhouse.Open(db.opts); err != nil {
		return 1, err
	}
	sqlDB := clickhouse.OpenDB(db.opts)
	if err := warehouse.Migrate(context.Background(), sqlDB); err != nil {
		return 1, err
	}
	code = m.Run()
	if err := db.Close(); err != nil {
		return 1, err
	}
	if err := sqlDB.Close(); err != nil {
		return 1, err
	}
	if err := server.Close(context.Background()); err != nil {
		return 1, err
	}
	if code == 0 {
		err = goleak.Find()
	}
	return code, err
}

// env is an empty warehouse and an empty log.
type env struct {
	t         testing.TB
	codec     schemas.Codec
	newClient func(...kgo.Opt) (*kgo.Client, error)
	client    *kgo.Client // the test's own
	log       *slog.Logger
}

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func newEnv(t testing.TB, log io.Writer) (*env, func()) {
	t.Helper()
	var seeds []kfake.Opt
	for _, topic := range schemas.Topics {
		seeds = append(seeds, kfake.SeedTopics(int32(topic.Partitions), topic.Name))
	}
	cluster, err := kfake.NewCluster(append(seeds, kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "40000000"}), kfake.GroupMinSessionTimeout(time.Second))...)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{t: t, log: slog.New(slog.NewTextHandler(log, nil))}
	e.newClient = func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(32 << 20)}, opts...)...)
	}
	if e.client, err = e.newClient(); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"interactions", "segments", "usage", "audit"} {
		exec(t, "TRUNCATE TABLE "+table)
	}
	return e, func() {
		e.client.Close()
		cluster.Close()
	}
}

func exec(t failer, query string) {
	t.Helper()
	if err := db.Exec(context.Background(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// scan reads one row.
func scan(t failer, query string, dest ...any) {
	t.Helper()
	if err := db.QueryRow(context.Background(), query).Scan(dest...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// behind is ClickHouse behind a proxy that asks refuse before each statement,
// does as told and then asks lose, with the number of the insert from 1,
// whether its answer gets lost.
func behind(t testing.TB, lose func(insert int64) bool, refuse func() error) driver.Conn {
	t.Helper()
	var inserts atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: db.opts.Addr[0]})
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasPrefix(r.Request.URL.Query().Get("query"), "INSERT") && lose(inserts.Add(1)) {
			return errors.New("answer lost")
		}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := refuse(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	opts := *db.opts
	opts.Addr = []string{server.Listener.Addr().String()}
	conn, err := clickhouse.Open(&opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return conn
}
