// Package engines opens what Earshot stands on: Kafka, ClickHouse, Redis and a blob store; external ones where an address is
// configured, else embedded ones below the data folder. Each engine has one client, whichever way it runs.
package engines

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"
)

// Config says where the engines are. An empty address means the embedded engine.
type Config struct {
	Data    string `env:"EARSHOT_DATA" envDefault:"data" help:"folder of the embedded engines; one process holds it at a time"`
	MinFree int64  `env:"EARSHOT_DISK_MIN_FREE" envDefault:"536870912" help:"bytes that must be free on the data folder's disk; below it readiness is red and uploads are refused"`

	KafkaBrokers     []string `env:"EARSHOT_KAFKA_BROKERS" help:"host:port of Kafka brokers (4.2 or later), comma-separated; empty: embedded"`
	KafkaTLS         bool     `env:"EARSHOT_KAFKA_TLS" envDefault:"false" help:"talk TLS to Kafka"`
	KafkaUser        string   `env:"EARSHOT_KAFKA_USER" help:"SASL user of Kafka; empty: no SASL"`
	KafkaPassword    string   `env:"EARSHOT_KAFKA_PASSWORD" secret:"true" help:"SASL password of Kafka"`
	KafkaMechanism   string   `env:"EARSHOT_KAFKA_MECHANISM" envDefault:"SCRAM-SHA-512" help:"SASL mechanism: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN"`
	KafkaReplication int16    `env:"EARSHOT_KAFKA_REPLICATION" envDefault:"-1" help:"replicas of the topics that are created; -1: the brokers' default"`
	KafkaSync        bool     `env:"EARSHOT_KAFKA_SYNC" envDefault:"false" help:"embedded Kafka: flush every batch to the disk, to survive a power cut too, not only a crash"`

	ClickHouseURL      string `env:"EARSHOT_CLICKHOUSE_URL" secret:"true" help:"http(s)://user:password@host:8123/database or clickhouse://user:password@host:9000/database; empty: embedded"`
	ClickHouseLibrary  string `env:"EARSHOT_LIBCHDB" help:"path of libchdb.so, the embedded ClickHouse; empty: where make setup put it"`
	ClickHouseListen   string `env:"EARSHOT_CLICKHOUSE_LISTEN" envDefault:"127.0.0.1:0" help:"host:port of the embedded ClickHouse's HTTP interface; port 0: a free one"`
	ClickHouseUser     string `env:"EARSHOT_CLICKHOUSE_USER" help:"account that reads the BI views and the tables of the embedded ClickHouse, and nothing else; empty: none"`
	ClickHousePassword string `env:"EARSHOT_CLICKHOUSE_PASSWORD" secret:"true" help:"password of that account"`
	ClickHouseMemory   int64  `env:"EARSHOT_CLICKHOUSE_MEMORY" envDefault:"536870912" help:"bytes the embedded ClickHouse may allocate"`

	RedisURL string `env:"EARSHOT_REDIS_URL" secret:"true" help:"redis://:password@host:6379/0 or rediss://; empty: embedded, rebuilt from the log at start"`
	BlobURL  string `env:"EARSHOT_BLOB_URL" secret:"true" help:"s3://bucket?region=eu-central-1&prefix=audio/ or file:///path; empty: a folder in the data folder"`
}

// Validate refuses what cannot be meant.
func (c *Config) Validate() error {
	var errs []error
	if c.ClickHouseUser != "" && c.ClickHousePassword == "" {
		errs = append(errs, errors.New("EARSHOT_CLICKHOUSE_USER needs EARSHOT_CLICKHOUSE_PASSWORD"))
	}
	if c.MinFree < 0 {
		errs = append(errs, errors.New("EARSHOT_DISK_MIN_FREE is negative"))
	}
	if c.ClickHouseMemory < 128<<20 {
		errs = append(errs, errors.New("EARSHOT_CLICKHOUSE_MEMORY is below 134217728 (128 MiB), too little for the engine to start"))
	}
	if c.KafkaReplication == 0 || c.KafkaReplication < -1 {
		errs = append(errs, errors.New("EARSHOT_KAFKA_REPLICATION must be -1 or at least 1"))
	}
	return errors.Join(errs...)
}

// Engines are the opened engines. The clients are safe for concurrent use.
type Engines struct {
	ClickHouse driver.Conn
	Redis      *redis.Client
	Blobs      *blob.Bucket

	cfg   Config
	log   *slog.Logger
	kafka kafka
	admin *kgo.Client // for topics, groups and health; workers have their own
	sql   *sql.DB
	// closers are run last opened first.
	mu      sync.Mutex
	closers []closer
}

type closer struct {
	name  string
	close func(context.Context) error
}

// startTimeout bounds how long an external engine may take to answer at start.
const startTimeout = 2 * time.Second

// Open starts the embedded engines, connects to all and checks each. When one cannot be reached the error says which, what was tried and
// which variable names it, within about two seconds; what was opened is closed again.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (e *Engines, err error) {
	e = &Engines{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, e.Close(stop))
			e = nil
		}
	}()
	if err := e.lockData(); err != nil {
		return e, err
	}
	// Each embedded engine reads its data at start: together they take as long as the slowest.
	var group errgroup.Group
	group.Go(func() error { return e.openKafka(ctx) })
	group.Go(func() error { return e.openClickHouse(ctx) })
	group.Go(func() error { return e.openRedis(ctx) })
	group.Go(func() error { return e.openBlobs(ctx) })
	if err := group.Wait(); err != nil {
		return e, err
	}
	debug.FreeOSMemory() // the embedded Kafka has just read its whole log
	return e, nil
}

func (e *Engines) onClose(name string, close func(context.Context) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closers = append(e.closers, closer{name, close})
}

// Close ends all clients, then the embedded engines. The clients that Kafka made are the caller's: close them before. ctx bounds how long
// running ClickHouse statements may go on.
func (e *Engines) Close(ctx context.Context) error {
	e.mu.Lock()
	closers := e.closers
	e.closers = nil
	e.mu.Unlock()
	var errs []error
	for i := len(closers) - 1; i >= 0; i-- {
		if err := closers[i].close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", closers[i].name, err))
		}
	}
	return errors.Join(errs...)
}

// SQL is ClickHouse as a database/sql database, for migrations.
func (e *Engines) SQL() *sql.DB { return e.sql }

// embedded reports whether an engine needs the data folder.
func (c *Config) embedded() bool {
	return len(c.KafkaBrokers) == 0 || c.ClickHouseURL == "" || c.BlobURL == ""
}

// lockPatience is how long a start waits for the lock. A process that was killed while it started ffmpeg or the recogniser leaves a copy
// of itself that has not become that program yet, and holds the lock until the kernel has taken its memory apart.
const lockPatience = 3 * time.Second

// lockData makes this process the only one on the data folder: two embedded Kafkas appending to the same files would ruin them. The kernel
// drops the lock with the process, however it ends.
func (e *Engines) lockData() error {
	if !e.cfg.embedded() {
		return nil
	}
	dir, err := filepath.Abs(e.cfg.Data)
	if err != nil {
		return err
	}
	e.cfg.Data = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the data folder cannot be made (EARSHOT_DATA or --data names it): %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the data folder cannot be written (EARSHOT_DATA or --data names it): %w", err)
	}
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil || time.Since(begin) > lockPatience {
			break
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the data folder %s is in use by another Earshot: stop it, or name another folder with --data", dir), file.Close())
	}
	e.onClose("the data folder's lock", func(context.Context) error { return file.Close() })
	return nil
}
