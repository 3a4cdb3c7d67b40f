package engines

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // the s3:// scheme

	"earshot/deploy/engines/chdb"
	"earshot/schemas"
)

// openClickHouse connects to the configured ClickHouse or starts chDB.
func (e *Engines) openClickHouse(ctx context.Context) error {
	if e.cfg.ClickHouseURL != "" {
		opts, err := clickhouse.ParseDSN(e.cfg.ClickHouseURL)
		if err != nil {
			// The library's error repeats the URL, password included.
			return errors.New("EARSHOT_CLICKHOUSE_URL is not an address: use http://user:password@host:8123/database or clickhouse://user:password@host:9000/database")
		}
		return e.connectClickHouse(ctx, opts, "named by EARSHOT_CLICKHOUSE_URL")
	}
	library, err := chdb.Locate(e.cfg.ClickHouseLibrary)
	if err != nil {
		return err
	}
	limits := maps.Clone(schemas.BILimits)
	limits["max_memory_usage"] = uint64(e.cfg.ClickHouseMemory) / 2 // the rest is the program's own
	server, err := chdb.Open(chdb.Options{
		Library: library, Dir: filepath.Join(e.cfg.Data, "clickhouse"), Listen: e.cfg.ClickHouseListen, MaxMemory: e.cfg.ClickHouseMemory,
		User: e.cfg.ClickHouseUser, Password: e.cfg.ClickHousePassword, Readable: append(schemas.BIViews[:len(schemas.BIViews):len(schemas.BIViews)], schemas.Tables...), Limits: limits,
	}, e.log)
	if err != nil {
		return err
	}
	e.onClose("the embedded ClickHouse", server.Close)
	user, password := server.Account()
	return e.connectClickHouse(ctx, &clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{server.Addr()},
		Auth: clickhouse.Auth{Database: "default", Username: user, Password: password},
		// Loopback needs no compression, and no proxy either.
		TransportFunc: directTransport,
	}, "embedded")
}

// clickHouseConns bounds the connections to ClickHouse, each of which runs one statement at a time.
const clickHouseConns = 24

func (e *Engines) connectClickHouse(ctx context.Context, opts *clickhouse.Options, hint string) error {
	opts.DialTimeout = startTimeout
	opts.MaxOpenConns, opts.MaxIdleConns = clickHouseConns, clickHouseConns
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return fmt.Errorf("ClickHouse (%s): %w", hint, err)
	}
	e.onClose("the ClickHouse client", func(context.Context) error { return conn.Close() })
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("ClickHouse at %v does not answer (%s): %w", opts.Addr, hint, err)
	}
	migrations := *opts
	e.sql = clickhouse.OpenDB(&migrations)
	e.sql.SetMaxIdleConns(1)
	e.onClose("the ClickHouse client for migrations", func(context.Context) error { return e.sql.Close() })
	e.ClickHouse = conn
	return nil
}

// directTransport keeps the calls to the embedded ClickHouse away from a proxy that the environment names.
func directTransport(t *http.Transport) (http.RoundTripper, error) {
	t.Proxy = nil
	return t, nil
}

// openRedis connects to the configured Redis or starts miniredis.
func (e *Engines) openRedis(ctx context.Context) error {
	opts, hint, err := e.redisOptions()
	if err != nil {
		return err
	}
	opts.ContextTimeoutEnabled = true // else a call outlives its caller's deadline
	opts.DialTimeout = startTimeout
	opts.DisableIdentity = true // CLIENT SETINFO, which Redis before 7.2 and miniredis refuse
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redis.SetLogger(redisLog{})
	e.Redis = redis.NewClient(opts)
	e.onClose("the Redis client", func(context.Context) error { return e.Redis.Close() })
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := e.Redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("Redis at %s does not answer (%s): %w", opts.Addr, hint, err)
	}
	return nil
}

// redisLog takes what the Redis library would print on its own: each failed attempt to connect, which the caller hears of anyway. The library
// has one logger per process.
type redisLog struct{}

func (redisLog) Printf(ctx context.Context, format string, v ...any) {
	slog.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, v...))
}

func (e *Engines) redisOptions() (*redis.Options, string, error) {
	if e.cfg.RedisURL != "" {
		opts, err := redis.ParseURL(e.cfg.RedisURL)
		if err != nil {
			return nil, "", errors.New("EARSHOT_REDIS_URL is not an address: use redis://:password@host:6379/0")
		}
		return opts, "named by EARSHOT_REDIS_URL", nil
	}
	server := miniredis.NewMiniRedis()
	password := rand.Text() // other users of this machine reach loopback too
	server.RequireAuth(password)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, "", fmt.Errorf("the embedded Redis cannot listen: %w", err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		passTime(server, stop)
	}()
	e.onClose("the embedded Redis", func(context.Context) error {
		close(stop)
		<-done
		server.Close()
		return nil
	})
	return &redis.Options{Addr: server.Addr(), Password: password}, "embedded", nil
}

// passTime lets keys expire: miniredis is made for tests and has no clock of its own. Each step sorts and walks all keys under its one lock,
// tens of milliseconds for 50,000 of them in which every request waits, so the more keys there are the rarer it comes: at most 0.02 percent
// of the time is spent on it, and expiry, of texts and idempotency keys after days, up to ten minutes late.
func passTime(server *miniredis.Miniredis, stop <-chan struct{}) {
	const shortest, longest, share = time.Second, 10 * time.Minute, 5000
	last := time.Now()
	for wait := shortest; ; {
		select {
		case <-stop:
			return
		case <-time.After(wait):
		}
		now := time.Now()
		server.FastForward(now.Sub(last))
		last = now
		wait = min(max(shortest, share*time.Since(now)), longest)
	}
}

// openBlobs opens the configured blob store or a folder.
func (e *Engines) openBlobs(ctx context.Context) (err error) {
	address := e.cfg.BlobURL
	switch {
	case address == "":
		dir := filepath.Join(e.cfg.Data, "blobs")
		// Temporary files lie beside the blobs: a rename from another file system would fail. No files for metadata.
		e.Blobs, err = fileblob.OpenBucket(dir, &fileblob.Options{CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
		if err == nil {
			err = sweepUnfinished(dir)
		}
	case strings.HasPrefix(address, "file:"):
		e.Blobs, err = blob.OpenBucket(ctx, fileURL(address))
	default:
		e.Blobs, err = blob.OpenBucket(ctx, address)
	}
	if err != nil {
		return fmt.Errorf("the blob store cannot be opened (EARSHOT_BLOB_URL: s3://bucket?region=… or file:///path; empty: the data folder): %w", err)
	}
	e.onClose("the blob store", func(context.Context) error { return e.Blobs.Close() })
	ctx, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	ok, err := e.Blobs.IsAccessible(ctx)
	if err == nil && !ok {
		err = errors.New("no such bucket or folder")
	}
	if err != nil {
		return fmt.Errorf("the blob store does not answer (named by EARSHOT_BLOB_URL): %w", err)
	}
	return nil
}

// fileURL adds to a file:// URL what the folder of the embedded store has.
func fileURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // blob.OpenBucket words the error
	}
	q := u.Query()
	for name, value := range map[string]string{"create_dir": "1", "no_tmp_dir": "1", "metadata": "skip", "dir_file_mode": "0700"} {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// unfinished is how fileblob names a file that is being written: the blob's name and the time in nanoseconds.
var unfinished = regexp.MustCompile(`\.[0-9a-f]{16}\.tmp$`)

// sweepUnfinished removes the files of uploads that a crash cut short: they would never be read nor removed.
func sweepUnfinished(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !unfinished.MatchString(entry.Name()) {
			return err
		}
		return os.Remove(path)
	})
}
