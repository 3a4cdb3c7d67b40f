package state

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

//go:embed offsets.lua
var offsetsLua string

var offsetsScript = redis.NewScript(offsetsLua)

// taskTopics hold TaskSubmitted, one record per task.
var taskTopics = []string{schemas.TopicAudio, schemas.TopicAudioBulk, schemas.TopicText, schemas.TopicTextBulk, schemas.TopicReport}

// followed are all topics that the state is a projection of. transcripts give
// the text of recordings only and are not read again in a rebuild.
var followed = append([]string{schemas.TopicStatus, schemas.TopicEntities, schemas.TopicUsage, schemas.TopicTranscripts}, taskTopics...)

const (
	pollRecords = 4000        // in one batch
	fetchBytes  = 16 << 20    // read ahead from each broker
	pollWait    = time.Second // and with it the time until a lost state is noticed
	sweepEvery  = time.Minute
	retryFirst  = 100 * time.Millisecond
	retryMost   = 5 * time.Second
)

// Projection keeps the state in Redis up to date with the log, and builds it
// when Redis does not have it. Any number of processes may run one: they share
// the partitions as a consumer group, and one of them builds.
type Projection struct {
	store     *Store
	newClient func(...kgo.Opt) (*kgo.Client, error)
	codec     *schemas.Codec
	metrics   *schemas.StageMetrics
	log       *slog.Logger

	epoch string              // of the state that this process writes to
	left  map[partition]int64 // offsets as this process left them in Redis
	swept time.Time
}

type partition struct {
	topic string
	n     int32
}

// field is the partition in the hash of offsets.
func (p partition) field() string { return p.topic + "/" + strconv.Itoa(int(p.n)) }

// parseOffsets reads the hash of offsets.
func parseOffsets(fields map[string]string) (map[partition]int64, error) {
	offsets := map[partition]int64{}
	for field, value := range fields {
		i := strings.LastIndexByte(field, '/')
		n, err1 := strconv.ParseInt(field[i+1:], 10, 32)
		at, err2 := strconv.ParseInt(value, 10, 64)
		if i < 0 || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("offsets in Redis: %q at %q is no partition and offset", field, value)
		}
		offsets[partition{field[:i], int32(n)}] = at
	}
	return offsets, nil
}

// NewProjection returns a projection that Run starts. newClient opens a Kafka
// client with the options given and those of the installation.
func NewProjection(store *Store, newClient func(...kgo.Opt) (*kgo.Client, error), codec *schemas.Codec, m *schemas.StageMetrics, log *slog.Logger) *Projection {
	return &Projection{store: store, newClient: newClient, codec: codec, metrics: m, log: log.With("stage", schemas.StageState),
		left: map[partition]int64{}}
}

// Run builds the state when it is missing and then follows the log until ctx
// ends; then it gives its partitions back and returns nil. Faults of Redis and
// Kafka are waited out. An error means that no client could be opened.
func (p *Projection) Run(ctx context.Context) error {
	own, err := p.newClient() // the lag is told while the state is built, too
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer own.Close()
	var lag sync.WaitGroup
	defer lag.Wait()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	lag.Go(func() { p.metrics.WatchLag(watching, own, schemas.StageState, followed, p.store.applied(), p.log) })
	if err := p.ensure(ctx); err != nil {
		return nil // ctx ended
	}
	client, err := p.newClient(
		kgo.ConsumerGroup(schemas.GroupState), kgo.ConsumeTopics(followed...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AdjustFetchOffsetsFn(p.fromRedis),
		// What is polled is written before its partition may go to another process.
		kgo.BlockRebalanceOnPoll(),
		// The offsets that count are in Redis; those of the group are for lag tools.
		kgo.AutoCommitMarks(), kgo.OnPartitionsRevoked(p.revoked),
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchBytes/4),
	)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer client.CloseAllowingRebalance()
	for ctx.Err() == nil {
		p.follow(ctx, client)
	}
	return nil
}

// follow takes one batch from the log into Redis.
func (p *Projection) follow(ctx context.Context, client *kgo.Client) {
	fetches := p.poll(ctx, client)
	defer client.AllowRebalance()
	begin := time.Now()
	fetches.EachError(func(topic string, n int32, err error) {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			p.metrics.Errors(schemas.StageState, "ours").Inc()
			p.log.Error("read the log", "topic", topic, "partition", n, "error", err)
		}
	})
	records := fetches.Records()
	p.metrics.In(schemas.StageState).Add(float64(len(records)))
	facts, bad, err := p.decode(ctx, records)
	if err != nil || p.bury(ctx, client, bad) != nil || p.write(ctx, facts, nextOffsets(records)) != nil {
		return // ctx ended; nothing was committed
	}
	client.MarkCommitRecords(records...)
	if len(records) > 0 {
		p.metrics.Out(schemas.StageState).Add(float64(len(records) - len(bad)))
		p.metrics.Latency(schemas.StageState).Observe(time.Since(begin).Seconds())
	}
	if p.store.now().Sub(p.swept) > sweepEvery {
		p.sweep(ctx)
	}
}

// decode waits for a schema registry that does not answer. Its error is ctx's.
func (p *Projection) decode(ctx context.Context, records []*kgo.Record) (facts []fact, bad []poison, err error) {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		if facts, bad, err = decodeAll(p.codec, records); err == nil {
			return facts, bad, nil
		}
		p.failed("decode", err, wait)
		if err := sleep(ctx, wait); err != nil {
			return nil, nil, err
		}
	}
}

// failed counts and tells a fault of ours that is tried again.
func (p *Projection) failed(what string, err error, wait time.Duration) {
	p.metrics.Errors(schemas.StageState, "ours").Inc()
	p.log.Error(what, "error", err, "again_in", wait)
}

// poll waits for records, at most pollWait, and less when an Accept finds the
// ready marker missing.
func (p *Projection) poll(ctx context.Context, client *kgo.Client) kgo.Fetches {
	ctx, cancel := context.WithTimeout(ctx, pollWait)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-p.store.lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	fetches := client.PollRecords(ctx, pollRecords)
	cancel()
	<-done
	return fetches
}

// write applies facts and then moves the offsets on, trying again until it is
// done or ctx ends. With nothing to apply it only looks whether the state is
// still there.
func (p *Projection) write(ctx context.Context, facts []fact, next map[partition]int64) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := p.store.applyFacts(ctx, p.epoch, facts)
		if err == nil {
			err = p.advance(ctx, next)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errBroken):
			p.log.Error("the state is not readable", "error", err)
			err = p.discard(ctx)
		}
		if errors.Is(err, errStale) {
			p.log.Warn("the state was lost or built again")
			if err := p.ensure(ctx); err != nil {
				return err
			}
			continue
		}
		p.failed("write the state", err, wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// advance keeps the next offsets in Redis; errStale when the state that they
// belong to is gone.
func (p *Projection) advance(ctx context.Context, next map[partition]int64) error {
	args := []any{p.epoch}
	add := func(part partition, offset int64) {
		var left any = ""
		if was, ok := p.left[part]; ok {
			left = was
		}
		args = append(args, part.field(), left, offset)
	}
	for part, offset := range next {
		add(part, offset)
	}
	if len(next) == 0 { // idle: time to look at all
		for part, offset := range p.left {
			add(part, offset)
		}
	}
	answer, err := offsetsScript.Run(ctx, p.store.rdb, []string{keyReady, keyOffsets}, args...).Int()
	switch {
	case err != nil:
		return fmt.Errorf("redis: offsets: %w", err)
	case answer == 0:
		return errStale
	case answer < 0:
		p.log.Warn("Redis came back with older data than it had; the state is built again")
		return p.discard(ctx)
	}
	for part, offset := range next {
		p.left[part] = max(offset, p.left[part])
	}
	return nil
}

// discard makes the state invalid, unless it was built again since; it gives
// errStale or Redis' error.
func (p *Projection) discard(ctx context.Context) error {
	script := redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1`)
	if err := script.Run(ctx, p.store.rdb, []string{keyReady}, p.epoch).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return errStale
}

// fromRedis starts each partition where the state ends.
func (p *Projection) fromRedis(ctx context.Context, assigned map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	fields, err := p.store.rdb.HGetAll(ctx, keyOffsets).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: offsets: %w", err)
	}
	offsets, err := parseOffsets(fields)
	if err != nil {
		return nil, err
	}
	for topic, parts := range assigned {
		for n := range parts {
			parts[n] = kgo.NewOffset().AtStart()
			if at, ok := offsets[partition{topic, n}]; ok {
				parts[n] = kgo.NewOffset().At(at)
			}
		}
	}
	return assigned, nil
}

func nextOffsets(records []*kgo.Record) map[partition]int64 {
	next := map[partition]int64{}
	for _, r := range records {
		next[partition{r.Topic, r.Partition}] = r.Offset + 1
	}
	return next
}

func (p *Projection) revoked(ctx context.Context, client *kgo.Client, _ map[string][]int32) {
	short, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	if err := client.CommitMarkedOffsets(short); err != nil {
		p.log.Warn("commit offsets for lag tools", "error", err)
	}
}

// applied is how far the log is in Redis. While Redis is away it stays where it
// was seen last; without a state, nothing is.
func (s *Store) applied() schemas.HandledOf {
	var last schemas.GroupOffsets
	return func(ctx context.Context, _ *kadm.Client) (schemas.GroupOffsets, error) {
		fields, err := s.rdb.HGetAll(ctx, keyOffsets).Result()
		if err != nil {
			return last, nil
		}
		offsets, err := parseOffsets(fields)
		last = schemas.GroupOffsets{}
		for part, at := range offsets {
			last.Set(part.topic, part.n, at)
		}
		return last, err
	}
}

func (p *Projection) sweep(ctx context.Context) {
	p.swept = p.store.now()
	if n, err := p.store.sweep(ctx); err != nil && ctx.Err() == nil {
		p.log.Warn("give back reservations that were never confirmed", "error", err)
	} else if n > 0 {
		p.log.Info("gave back reservations that were never confirmed", "tasks", n)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
