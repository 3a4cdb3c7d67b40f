package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// keyFence holds the token of the process that may build. The lock decides who
// begins; the fence stops a builder that was suspended and has lost the lock:
// whatever it writes is a transaction on the fence.
const keyFence = keyPrefix + "fence"

const (
	lockTime  = 10 * time.Second
	lockRenew = 2 * time.Second
	lockLook  = 100 * time.Millisecond // how often a waiting process looks
)

var errFenced = errors.New("another process builds the state")

// ensure returns when the state is built, by this process or another, and
// takes note of its epoch and offsets. Its error is ctx's.
func (p *Projection) ensure(ctx context.Context) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		built, err := p.adopt(ctx)
		if err == nil && built {
			return nil
		}
		if err == nil {
			err = p.build(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			wait = retryFirst
			continue
		case errors.Is(err, errFenced):
			wait = lockLook
		default:
			p.failed("build the state", err, wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// adopt takes the state that is there, if it is whole and of this log.
func (p *Projection) adopt(ctx context.Context) (bool, error) {
	pipe := p.store.rdb.Pipeline()
	epoch, offsets := pipe.Get(ctx, keyReady), pipe.HGetAll(ctx, keyOffsets)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("redis: %w", err)
	}
	if epoch.Val() == "" {
		return false, nil
	}
	left, err := parseOffsets(offsets.Val())
	if err != nil {
		return false, err
	}
	p.epoch, p.left = epoch.Val(), left
	return p.fits(ctx, left)
}

// fits says whether the log reaches as far as the state: one that ends
// earlier is another log, made anew while Redis stayed.
func (p *Projection) fits(ctx context.Context, left map[partition]int64) (bool, error) {
	client, err := p.newClient()
	if err != nil {
		return false, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, followed...)
	if err != nil {
		return false, fmt.Errorf("kafka: %w", err)
	}
	for part, at := range left {
		end, ok := ends.Lookup(part.topic, part.n)
		if ok && end.Err == nil && end.Offset < at {
			p.log.Warn("the log ends before the state does; the state is built again", "topic", part.topic, "partition", part.n, "log", end.Offset, "state", at)
			if err := p.discard(ctx); !errors.Is(err, errStale) {
				return false, err
			}
			return false, nil
		}
	}
	return true, nil
}

// build makes the state from the log. errFenced when another process does.
func (p *Projection) build(ctx context.Context) error {
	token := rand.Text()
	got, err := p.store.rdb.SetNX(ctx, keyLock, token, lockTime).Result()
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if !got {
		return errFenced
	}
	ctx, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() { defer close(renewed); p.renew(ctx, cancel, token) }()
	b := &builder{p: p, token: token, fold: newFold(), stall: readStall}
	err = b.run(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-renewed
	// Whoever waits need not wait for the lock to run out.
	unlock, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	if e := compareAndDelete.Run(unlock, p.store.rdb, []string{keyLock}, token).Err(); e != nil {
		p.log.Warn("give back the lock", "error", e)
	}
	return err
}

var (
	compareAndDelete = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)
	renewLock        = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`)
)

// renew keeps the lock until ctx ends, and ends ctx when the lock is lost.
func (p *Projection) renew(ctx context.Context, cancel context.CancelCauseFunc, token string) {
	for sleep(ctx, lockRenew) == nil {
		n, err := renewLock.Run(ctx, p.store.rdb, []string{keyLock}, token, lockTime.Milliseconds()).Int()
		if err == nil && n == 0 {
			cancel(errFenced)
			return
		}
	}
}

// builder is one build.
type builder struct {
	p       *Projection
	token   string
	fold    *fold
	client  *kgo.Client         // for dead letters
	ends    map[partition]int64 // what the state will be built to
	buried  map[place]bool      // what has a dead letter already; nil until it is asked for
	records int
	stall   time.Duration // readStall
}

func (b *builder) run(ctx context.Context) (err error) {
	begin := time.Now()
	if b.client, err = b.p.newClient(); err != nil {
		return err
	}
	defer b.client.Close()
	if err := b.clear(ctx); err != nil {
		return err
	}
	log, err := b.locate(ctx, followed...)
	if err != nil {
		return err
	}
	b.ends = log.ends
	// The status of a task holds the whole task: submissions, which hold texts,
	// are decoded only where there is no status yet.
	add := func(records []*kgo.Record) error {
		b.records += len(records)
		bad, err := b.fold.add(b.p.codec, records)
		if err != nil {
			return err
		}
		return b.buryNew(ctx, bad)
	}
	if err := b.read(ctx, log.only(schemas.TopicStatus, schemas.TopicEntities, schemas.TopicUsage), add); err != nil {
		return err
	}
	if err := b.read(ctx, log.only(taskTopics...), add); err != nil {
		return err
	}
	read := time.Since(begin)
	if err := b.save(ctx); err != nil {
		return err
	}
	b.p.log.Info("built the state from the log", "records", b.records, "tasks", b.fold.tasks(),
		"entities", len(b.fold.entities), "read", read.Round(time.Millisecond), "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// fenced runs commands as one transaction that fails when the fence is not
// ours any more.
func (b *builder) fenced(ctx context.Context, commands func(redis.Pipeliner)) error {
	err := b.p.store.rdb.Watch(ctx, func(tx *redis.Tx) error {
		token, err := tx.Get(ctx, keyFence).Result()
		if errors.Is(err, redis.Nil) || err == nil && token != b.token {
			return errFenced
		}
		if err != nil {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error { commands(pipe); return nil })
		return err
	}, keyFence)
	if errors.Is(err, redis.TxFailedErr) {
		return errFenced
	}
	if err != nil && !errors.Is(err, errFenced) {
		return fmt.Errorf("redis: build: %w", err)
	}
	return err
}

// clear takes the marker away, so that nobody reads or writes, and then all
// keys of an earlier state.
func (b *builder) clear(ctx context.Context) error {
	if err := b.p.store.rdb.Set(ctx, keyFence, b.token, 0).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if err := b.fenced(ctx, func(pipe redis.Pipeliner) { pipe.Del(ctx, keyReady, keyOffsets) }); err != nil {
		return err
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		keys, next, err := b.p.store.rdb.Scan(ctx, cursor, keyPrefix+"*", 1000).Result()
		if err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		cursor = next
		err = b.fenced(ctx, func(pipe redis.Pipeliner) {
			for _, key := range keys {
				if key != keyLock && key != keyFence {
					pipe.Del(ctx, key)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A stretch is a part of the log: from the first record of each partition to
// its end at one moment. What comes later is read by the consumer group.
type stretch struct{ starts, ends map[partition]int64 }

func (b *builder) locate(ctx context.Context, topics ...string) (log stretch, err error) {
	admin := kadm.NewClient(b.client)
	starts, err1 := admin.ListStartOffsets(ctx, topics...)
	ends, err2 := admin.ListEndOffsets(ctx, topics...)
	if err := errors.Join(err1, err2, starts.Error(), ends.Error()); err != nil {
		return log, fmt.Errorf("kafka: %w", err)
	}
	log = stretch{map[partition]int64{}, map[partition]int64{}}
	starts.Each(func(o kadm.ListedOffset) { log.starts[partition{o.Topic, o.Partition}] = o.Offset })
	ends.Each(func(o kadm.ListedOffset) { log.ends[partition{o.Topic, o.Partition}] = o.Offset })
	return log, nil
}

// only are the partitions of some topics that hold anything.
func (s stretch) only(topics ...string) stretch {
	some := stretch{map[partition]int64{}, map[partition]int64{}}
	for part, end := range s.ends {
		if slices.Contains(topics, part.topic) && s.starts[part] < end {
			some.starts[part], some.ends[part] = s.starts[part], end
		}
	}
	return some
}

// read hands the records of a stretch to f, each partition in order.
func (b *builder) read(ctx context.Context, log stretch, f func([]*kgo.Record) error) error {
	if len(log.ends) == 0 {
		return nil
	}
	from := map[string]map[int32]kgo.Offset{}
	for part, start := range log.starts {
		if from[part.topic] == nil {
			from[part.topic] = map[int32]kgo.Offset{}
		}
		from[part.topic][part.n] = kgo.NewOffset().At(start)
	}
	client, err := b.p.newClient(kgo.ConsumePartitions(from), kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	for missing := maps.Clone(log.ends); len(missing) > 0; {
		records, err := readOnce(ctx, client, b.stall, log.ends, missing)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = b.forgetDeleted(ctx, missing)
		}
		if err == nil {
			err = f(records)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetDeleted takes partitions off missing whose remaining records were
// deleted (retention) since their end was looked up.
func (b *builder) forgetDeleted(ctx context.Context, missing map[partition]int64) error {
	before := len(missing)
	for part := range missing {
		log, err := b.locate(ctx, part.topic)
		if err != nil {
			return err
		}
		if log.starts[part] >= missing[part] {
			delete(missing, part)
		}
	}
	if len(missing) == before {
		return fmt.Errorf("kafka: nothing came for %v though %d partitions hold more", b.stall, before)
	}
	return nil
}

// readStall is how long a build waits for a log that gives nothing.
const readStall = 10 * time.Second

// readOnce gives the next records before ends and takes the partitions that
// are read to their end off missing.
func readOnce(ctx context.Context, client *kgo.Client, stall time.Duration, ends, missing map[partition]int64) (records []*kgo.Record, err error) {
	wait, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	fetches := client.PollFetches(wait)
	for _, e := range fetches.Errors() {
		return nil, fmt.Errorf("kafka: read %s/%d: %w", e.Topic, e.Partition, e.Err)
	}
	fetches.EachRecord(func(r *kgo.Record) {
		part := partition{r.Topic, r.Partition}
		if r.Offset < ends[part] && !r.Attrs.IsControl() {
			records = append(records, r)
		}
		if r.Offset >= ends[part]-1 {
			delete(missing, part)
		}
	})
	return records, nil
}
