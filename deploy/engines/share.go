package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// embeddedLock is how long the embedded Kafka keeps a record for the worker that took it, unless a group asks for longer.
const embeddedLock = 30 * time.Second

// EnsureShareGroup makes a share group begin with the oldest records (Kafka's default is the newest) and lock a record it
// hands out for the given time. Call it before the group's first poll, at every start. Kafka takes 15 s to 60 s by default
// (group.share.min/max.record.lock.duration.ms).
func (e *Engines) EnsureShareGroup(ctx context.Context, group string, lock time.Duration) error {
	if err := e.setGroup(ctx, group, "share.auto.offset.reset", "earliest"); err != nil {
		return err
	}
	if err := e.setGroup(ctx, group, "share.record.lock.duration.ms", strconv.FormatInt(lock.Milliseconds(), 10)); err != nil {
		return err
	}
	if !e.kafka.embedded {
		return nil
	}
	if err := e.raiseLock(ctx, lock); err != nil {
		return err
	}
	return e.kafka.progress.restore(ctx, group)
}

func (e *Engines) setGroup(ctx context.Context, group, name, value string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value, config.Op = name, &value, kmsg.IncrementalAlterConfigOpSet
	resource.Configs = append(resource.Configs, config)
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, e.admin)
	if err == nil && len(resp.Resources) == 1 {
		err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("setting %s=%s for the share group %s (Kafka 4.2 or later is needed): %w", name, value, group, err)
	}
	return nil
}

// raiseLock lengthens the embedded Kafka's lock, of which there is one for all groups, to the longest that was asked for.
func (e *Engines) raiseLock(ctx context.Context, lock time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if lock <= e.kafka.progress.lock {
		return nil
	}
	_, err := kadm.NewClient(e.admin).AlterBrokerConfigs(ctx, []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "group.share.record.lock.duration.ms", Value: new(strconv.FormatInt(lock.Milliseconds(), 10))},
	})
	if err != nil {
		return fmt.Errorf("setting the embedded Kafka's lock duration: %w", err)
	}
	e.kafka.progress.lock = lock
	return nil
}

// DeliveryLimit is how often a share group hands out a record before it gives up on it (group.share.delivery.count.limit). On the
// last delivery a worker must write the record to the dead-letter topic.
func (e *Engines) DeliveryLimit(ctx context.Context) (int, error) {
	if e.kafka.embedded {
		return embeddedDeliveryLimit, nil
	}
	adm := kadm.NewClient(e.admin)
	brokers, err := adm.ListBrokers(ctx)
	if err != nil || len(brokers) == 0 {
		return 0, fmt.Errorf("listing Kafka's brokers: %w", errors.Join(err, ctx.Err()))
	}
	configs, err := adm.DescribeBrokerConfigs(ctx, brokers[0].NodeID)
	if err != nil {
		return 0, fmt.Errorf("reading Kafka's configuration: %w", err)
	}
	for _, resource := range configs {
		for _, config := range resource.Configs {
			if config.Key == "group.share.delivery.count.limit" && config.Value != nil {
				return strconv.Atoi(*config.Value)
			}
		}
	}
	return 0, errors.New("the Kafka brokers know no group.share.delivery.count.limit: share groups need Kafka 4.2 or later")
}

// shareProgress keeps the start offsets of the embedded Kafka's share groups in a file, once a second. Kafka keeps them in a topic of its
// own; kfake writes them at a clean Close only, and after a kill would hand out the whole log again. What was accepted since the last write
// comes again, as it may with Kafka.
type shareProgress struct {
	e      *Engines
	path   string
	lock   time.Duration // the broker's, guarded by Engines.mu
	mu     sync.Mutex
	groups []string        // that are watched
	saved  progressByGroup // what the file holds
}

// progressByGroup is group -> topic -> partition -> start offset.
type progressByGroup map[string]map[string]map[int32]int64

func (e *Engines) keepShareProgress() error {
	p := &shareProgress{e: e, path: filepath.Join(e.cfg.Data, "kafka-share-groups.json"), lock: embeddedLock, saved: progressByGroup{}}
	raw, err := os.ReadFile(p.path)
	if err == nil {
		err = json.Unmarshal(raw, &p.saved)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		// Nothing is lost: the groups begin anew and workers skip what is done.
		e.log.Warn("the progress of the share groups cannot be read", "path", p.path, "error", err)
		p.saved = progressByGroup{}
	}
	e.kafka.progress = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run(ctx)
	}()
	e.onClose("the progress of the share groups", func(ctx context.Context) error {
		cancel()
		<-done
		return p.save(ctx)
	})
	return nil
}

func (p *shareProgress) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := p.save(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			p.e.log.Warn("the progress of the share groups is not saved: after a crash they would begin further back", "error", err)
		}
		failing = err != nil
	}
}

// save writes the file when an offset has moved.
func (p *shareProgress) save(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := progressByGroup{}
	for group, topics := range p.saved {
		now[group] = topics // of a group that does not run in this process
	}
	for _, group := range p.groups {
		offsets, err := p.offsets(ctx, group)
		if err != nil {
			return err
		}
		now[group] = offsets
	}
	if reflect.DeepEqual(now, p.saved) {
		return nil
	}
	raw, err := json.Marshal(now)
	if err != nil {
		return err
	}
	// A new file, then a rename: a kill half-way leaves the old one whole.
	if err := os.WriteFile(p.path+".tmp", raw, 0o600); err != nil {
		return err
	}
	if err := os.Rename(p.path+".tmp", p.path); err != nil {
		return err
	}
	p.saved = now
	return nil
}

func (p *shareProgress) offsets(ctx context.Context, group string) (map[string]map[int32]int64, error) {
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	rg := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
	rg.GroupID = group
	req.Groups = append(req.Groups, rg)
	resp, err := req.RequestWith(ctx, p.e.admin)
	if err != nil {
		return nil, err
	}
	offsets := map[string]map[int32]int64{}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return nil, err
		}
		for _, t := range g.Topics {
			offsets[t.Topic] = map[int32]int64{}
			for _, part := range t.Partitions {
				if part.StartOffset >= 0 {
					offsets[t.Topic][part.Partition] = part.StartOffset
				}
			}
		}
	}
	return offsets, nil
}

// restore sets a group's start offsets from the file where the broker has none, which it has after a clean stop, and watches the group.
func (p *shareProgress) restore(ctx context.Context, group string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.offsets(ctx, group)
	if err != nil {
		return fmt.Errorf("reading the progress of the share group %s: %w", group, err)
	}
	if len(p.saved[group]) > 0 && len(known) == 0 {
		if err := p.set(ctx, group, p.saved[group]); err != nil {
			return fmt.Errorf("restoring the progress of the share group %s: %w", group, err)
		}
	}
	for _, g := range p.groups {
		if g == group {
			return nil
		}
	}
	p.groups = append(p.groups, group)
	return nil
}

func (p *shareProgress) set(ctx context.Context, group string, offsets map[string]map[int32]int64) error {
	topics := make([]string, 0, len(offsets))
	for topic := range offsets {
		topics = append(topics, topic)
	}
	ends, err := kadm.NewClient(p.e.admin).ListEndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	req.GroupID = group
	for topic, parts := range offsets {
		rt := kmsg.NewAlterShareGroupOffsetsRequestTopic()
		rt.Topic = topic
		for part, offset := range parts {
			end, ok := ends.Lookup(topic, part)
			if !ok || end.Err != nil {
				continue // the topic was deleted
			}
			rp := kmsg.NewAlterShareGroupOffsetsRequestTopicPartition()
			// A power cut may have taken the log's end but not this file: records yet to come must not be skipped.
			rp.Partition, rp.StartOffset = part, min(offset, end.Offset)
			rt.Partitions = append(rt.Partitions, rp)
		}
		if len(rt.Partitions) > 0 {
			req.Topics = append(req.Topics, rt)
		}
	}
	resp, err := req.RequestWith(ctx, p.e.admin)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}
