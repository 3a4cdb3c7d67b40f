// Package warehouse brings the log into ClickHouse: one row per task, its
// utterances, the usage ledger and the audit events; see schemas/ddl for the
// tables. It also runs their migrations.
package warehouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// Config of the sink. A batch is inserted when the first of the three bounds
// is reached.
type Config struct {
	BatchRecords int           `env:"EARSHOT_WAREHOUSE_BATCH_RECORDS" envDefault:"20000" help:"records in one insert into ClickHouse at most"`
	BatchBytes   int           `env:"EARSHOT_WAREHOUSE_BATCH_BYTES" envDefault:"8388608" help:"bytes of events in one insert at most, one record more or less; bounds memory"`
	BatchAge     time.Duration `env:"EARSHOT_WAREHOUSE_BATCH_AGE" envDefault:"1s" help:"time between two inserts while records keep coming; a record waits that long at most, after a pause much less"`
}

// Validate refuses what cannot work.
func (c *Config) Validate() error {
	if c.BatchRecords < 1 || c.BatchBytes < 1 || c.BatchAge <= 0 {
		return errors.New("EARSHOT_WAREHOUSE_BATCH_RECORDS, _BYTES and _AGE must be above zero")
	}
	return nil
}

// topics are what the warehouse is a projection of.
var topics = []string{schemas.TopicAudio, schemas.TopicAudioBulk, schemas.TopicText, schemas.TopicTextBulk, schemas.TopicReport,
	schemas.TopicStatus, schemas.TopicTranscripts, schemas.TopicAnalyses, schemas.TopicUsage, schemas.TopicAudit}

const (
	retryFirst    = 100 * time.Millisecond
	retryMost     = 10 * time.Second
	commitTimeout = 10 * time.Second
	linger        = 50 * time.Millisecond // after a pause: what belongs to a task comes within that time
	fetchBytes    = 16 << 20              // fetched ahead while a batch is written
	pollRecords   = 1000                  // at once, so that the bound on bytes is not exceeded by much
)

// Sink is one member of the consumer group that writes to ClickHouse.
type Sink struct {
	conn      driver.Conn
	newClient func(...kgo.Opt) (*kgo.Client, error)
	codec     *schemas.Codec
	metrics   *schemas.StageMetrics
	cfg       Config
	log       *slog.Logger

	client   *kgo.Client
	inserted time.Time  // when the last batch was
	mu       sync.Mutex // held while offsets are committed
	owned    map[partition]bool
}

// New returns a sink that Run starts. newClient opens a Kafka client with the
// options given and those of the installation; the tables must exist (Migrate).
func New(conn driver.Conn, newClient func(...kgo.Opt) (*kgo.Client, error), codec *schemas.Codec, m *schemas.StageMetrics, cfg Config, log *slog.Logger) *Sink {
	return &Sink{conn: conn, newClient: newClient, codec: codec, metrics: m, cfg: cfg,
		log: log.With("stage", schemas.StageWarehouse), owned: map[partition]bool{}}
}

// Run writes the log to ClickHouse until ctx ends and then returns nil; an
// error means that no client could be opened. Faults of ClickHouse and Kafka
// are waited out: meanwhile nothing is fetched beyond one buffer and no offset
// moves.
//
// For each batch, in this order: dead letters for what cannot be read; the
// rows; then, for each task that is now queryable, its status "completed" and
// its usage; at last the offsets. A crash in between repeats the batch, which
// changes nothing: rows replace themselves by version, statuses never go
// backwards, and the ledger counts an id once.
func (s *Sink) Run(ctx context.Context) error {
	client, err := s.newClient(
		kgo.ConsumerGroup(schemas.GroupWarehouse), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(s.assigned), kgo.OnPartitionsRevoked(s.revoked), kgo.OnPartitionsLost(s.revoked),
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchBytes/4),
	)
	if err != nil {
		return fmt.Errorf("warehouse: %w", err)
	}
	s.client = client
	var lag sync.WaitGroup
	lag.Go(func() {
		s.metrics.WatchLag(ctx, client, schemas.StageWarehouse, topics, schemas.Committed(schemas.GroupWarehouse), s.log)
	})
	for ctx.Err() == nil {
		s.write(ctx, s.collect(ctx))
	}
	lag.Wait()
	client.Close() // the batch under way, if any, is not committed: it comes again
	return nil
}

// collect polls one batch together: until ctx ends, a bound of the Config is
// reached, or BatchAge has passed since the last insert. An insert costs
// ClickHouse 50 ms of work however few its rows are, so under load there is one
// in BatchAge, while a lone chat is not kept waiting.
func (s *Sink) collect(ctx context.Context) []*kgo.Record {
	fetches := s.client.PollRecords(ctx, min(s.cfg.BatchRecords, pollRecords))
	s.reportFetchErrors(ctx, fetches)
	records, bytes := fetches.Records(), size(fetches)
	if len(records) == 0 {
		return nil
	}
	due := time.Now().Add(min(linger, s.cfg.BatchAge))
	if next := s.inserted.Add(s.cfg.BatchAge); next.After(due) {
		due = next
	}
	ctx, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	for ctx.Err() == nil && len(records) < s.cfg.BatchRecords && bytes < s.cfg.BatchBytes {
		fetches := s.client.PollRecords(ctx, min(s.cfg.BatchRecords-len(records), pollRecords))
		s.reportFetchErrors(ctx, fetches)
		records = append(records, fetches.Records()...)
		bytes += size(fetches)
	}
	return records
}

func size(fetches kgo.Fetches) (bytes int) {
	fetches.EachRecord(func(r *kgo.Record) { bytes += len(r.Value) })
	return bytes
}

// reportFetchErrors also waits a moment when there are some: they come again
// with the next poll, at once.
func (s *Sink) reportFetchErrors(ctx context.Context, fetches kgo.Fetches) {
	failed := false
	fetches.EachError(func(topic string, n int32, err error) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return
		}
		failed = true
		s.metrics.Errors(schemas.StageWarehouse, "ours").Inc()
		s.log.Error("read the log", "topic", topic, "partition", n, "error", err)
	})
	if failed {
		pause(ctx, time.Second)
	}
}

// pause waits; it ends early with ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// write takes a batch all the way; when ctx ends first, its offsets stay.
func (s *Sink) write(ctx context.Context, records []*kgo.Record) {
	records = s.stillOwned(records)
	if len(records) == 0 {
		return
	}
	begin := time.Now()
	s.metrics.In(schemas.StageWarehouse).Add(float64(len(records)))
	b := fold(s.codec, records)
	bad, token := len(b.poison), b.token()
	if s.retry(ctx, "write dead letters", func() error { return s.bury(ctx, b) }) != nil ||
		s.retry(ctx, "insert into ClickHouse", func() error { return s.insert(ctx, b, token) }) != nil ||
		s.retry(ctx, "announce completed tasks", func() error { return s.announce(ctx, b.finished) }) != nil {
		return
	}
	s.commit(ctx, records)
	s.inserted = begin
	s.metrics.Out(schemas.StageWarehouse).Add(float64(len(records) - bad))
	s.metrics.Latency(schemas.StageWarehouse).Observe(time.Since(begin).Seconds())
}

// retry repeats do until it succeeds or ctx ends.
func (s *Sink) retry(ctx context.Context, what string, do func() error) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.metrics.Errors(schemas.StageWarehouse, "ours").Inc()
		s.log.Error(what, "error", err, "again_in", wait)
		pause(ctx, wait)
	}
}

// commit moves the offsets of the partitions that are still this member's; the
// others belong to a member that reads them from where they stood. Failing is
// no loss: the records come again, or a later commit covers them.
func (s *Sink) commit(ctx context.Context, records []*kgo.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var mine []*kgo.Record
	for _, r := range records {
		if s.owned[partitionOf(r)] {
			mine = append(mine, r)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := s.client.CommitRecords(ctx, mine...); err != nil && ctx.Err() == nil {
		s.metrics.Errors(schemas.StageWarehouse, "ours").Inc()
		s.log.Warn("commit offsets; the records may be written again, which changes nothing", "error", err)
	}
}

func (s *Sink) stillOwned(records []*kgo.Record) []*kgo.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := records[:0]
	for _, r := range records {
		if s.owned[partitionOf(r)] {
			mine = append(mine, r)
		}
	}
	return mine
}

func (s *Sink) assigned(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range parts {
		for _, n := range numbers {
			s.owned[partition{topic, n}] = true
		}
	}
}

// revoked waits for a commit under way, then gives the partitions up: what is
// not inserted by now is never committed here.
func (s *Sink) revoked(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range parts {
		for _, n := range numbers {
			delete(s.owned, partition{topic, n})
		}
	}
}
