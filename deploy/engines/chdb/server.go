// Package chdb runs the real ClickHouse engine in this process (chDB: libchdb.so, looked up at run time, no cgo) behind a
// port that speaks ClickHouse's HTTP protocol, so that clickhouse-go, curl and BI tools use it as they would a server.
package chdb

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options of the embedded ClickHouse. Zero values take the defaults named here.
type Options struct {
	Library     string            // path of libchdb.so, from Locate
	Dir         string            // data folder; one process holds it at a time
	Listen      string            // host:port; default "127.0.0.1:0", a free port on loopback
	User        string            // a read-only account for BI tools; "" for none
	Password    string            // of User; required with it
	Readable    []string          // tables and views of the database default that User may read: nothing else, no files, no URLs
	Limits      map[string]uint64 // settings that bound a query of User, by name; a request may ask for less
	Concurrency int               // statements that run at once, default 8; as many again times 16 wait, further ones get 503
	MaxMemory   int64             // bytes the engine may hold, default 1 GiB; a query beyond it fails
	MaxBody     int64             // bytes of one insert, decompressed, default 1 GiB; beyond it 413
}

const (
	internalUser  = "earshot"
	maxQuerySize  = 1 << 20          // bytes of SQL text; ClickHouse's own default is 256 KiB
	maxResultSize = 256 << 20        // bytes of a result in a format that cannot be streamed
	bodyIdle      = 30 * time.Second // a body that stands still longer is given up
	queueFactor   = 16               // statements that wait, per one that may run
)

// Server is the running engine and its port.
type Server struct {
	opts     Options
	log      *slog.Logger
	lib      *library
	config   string
	keeper   *session // holds the engine up between requests
	sessions *sessionPool
	password string // of internalUser, random
	listener net.Listener
	http     *http.Server
	refused  map[string]bool // functions that Options.User may not call
	running  chan struct{}   // one element per running statement
	waiting  chan struct{}   // one element per admitted statement, running or not
	served   chan struct{}   // closed when Serve has returned
	merges   sync.WaitGroup  // see yieldMerges
	requests sync.WaitGroup
	closing  context.Context
	stop     context.CancelFunc
}

// Open starts the engine on opts.Dir and serves it until Close. A process can hold one engine at a time.
func Open(opts Options, log *slog.Logger) (*Server, error) {
	opts.setDefaults()
	if opts.User != "" && opts.Password == "" {
		return nil, errors.New("the ClickHouse account for BI tools needs a password: set EARSHOT_CLICKHOUSE_PASSWORD")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	opts.Dir = dir
	lib, err := load(opts.Library)
	if err != nil {
		return nil, err
	}
	config, err := writeConfig(opts)
	if err != nil {
		return nil, err
	}
	keeper, err := openSession(lib, opts.Dir, config)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		keeper.close()
		return nil, fmt.Errorf("the embedded ClickHouse cannot listen on %s: %w", opts.Listen, err)
	}
	s := &Server{
		opts: opts, log: log, lib: lib, config: config, keeper: keeper, listener: listener, password: rand.Text(),
		running: make(chan struct{}, opts.Concurrency),
		waiting: make(chan struct{}, opts.Concurrency*(1+queueFactor)),
		served:  make(chan struct{}),
	}
	s.sessions = &sessionPool{max: opts.Concurrency, open: s.open}
	if opts.User != "" {
		if err := s.refuse(); err != nil {
			keeper.close()
			return nil, errors.Join(err, listener.Close())
		}
	}
	s.closing, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 2 << 20,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the embedded ClickHouse stopped listening", "error", err)
		}
	}()
	s.merges.Go(func() { yieldMerges(s.served, log) })
	return s, nil
}

func (o *Options) setDefaults() {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = 1 << 30
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 30
	}
}

// Addr is the host:port that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Account is the name and password of the account that may do everything. The password lives in memory only.
func (s *Server) Account() (user, password string) { return internalUser, s.password }

// Close lets running statements end, kills those that run when ctx ends, and stops the engine. chDB's own threads are
// outside Go and stay idle until the process exits.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.stop() // what still runs is killed
	if err != nil {
		err = errors.Join(fmt.Errorf("statements were still running in the embedded ClickHouse: %w", err), s.http.Close())
	}
	<-s.served
	s.merges.Wait()
	s.requests.Wait() // closing a connection under a running query would crash the process
	s.sessions.close()
	s.keeper.close()
	return err
}

func (s *Server) open() (*session, error) { return openSession(s.lib, s.opts.Dir, s.config) }

// configTemplate keeps the engine small: ClickHouse's defaults are for a machine of its own (5 GB mark cache, 16 merge threads).
// The memory bound is on what ClickHouse allocates; with memory_worker_use_cgroup it would count the whole container, Go's heap and all, and refuse
// queries for what others hold.
const configTemplate = `<clickhouse>
    <users_config>%s</users_config>
    <max_server_memory_usage>%d</max_server_memory_usage>
    <memory_worker_use_cgroup>0</memory_worker_use_cgroup>
    <mark_cache_size>33554432</mark_cache_size>
    <index_mark_cache_size>8388608</index_mark_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <primary_index_cache_size>33554432</primary_index_cache_size>
    <query_condition_cache_size>8388608</query_condition_cache_size>
    <mmap_cache_size>64</mmap_cache_size>
    <compiled_expression_cache_size>8388608</compiled_expression_cache_size>
    <text_index_tokens_cache_size>8388608</text_index_tokens_cache_size>
    <text_index_header_cache_size>8388608</text_index_header_cache_size>
    <text_index_postings_cache_size>33554432</text_index_postings_cache_size>
    <vector_similarity_index_cache_size>1048576</vector_similarity_index_cache_size>
    <max_thread_pool_size>256</max_thread_pool_size>
    <max_thread_pool_free_size>16</max_thread_pool_free_size>
    <background_pool_size>2</background_pool_size>
    <background_merges_mutations_concurrency_ratio>1</background_merges_mutations_concurrency_ratio>
    <background_schedule_pool_size>4</background_schedule_pool_size>
    <merge_tree>
        <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
        <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
        <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
        <merge_max_block_size>1024</merge_max_block_size>
        <vertical_merge_algorithm_min_rows_to_activate>1</vertical_merge_algorithm_min_rows_to_activate>
    </merge_tree>
</clickhouse>
`

// writeConfig writes the engine's server settings. Without a config file of ours chDB would read config.xml from the working directory
// or from the home folder.
func writeConfig(opts Options) (string, error) {
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return "", fmt.Errorf("the data folder of the embedded ClickHouse: %w", err)
	}
	users, err := writeUsers(opts)
	if err != nil {
		return "", err
	}
	var escaped bytes.Buffer
	if err := xml.EscapeText(&escaped, []byte(users)); err != nil {
		return "", err
	}
	path := filepath.Join(opts.Dir, "config.xml")
	if err := os.WriteFile(path, fmt.Appendf(nil, configTemplate, escaped.String(), opts.MaxMemory), 0o600); err != nil {
		return "", fmt.Errorf("the configuration of the embedded ClickHouse: %w", err)
	}
	return path, nil
}
