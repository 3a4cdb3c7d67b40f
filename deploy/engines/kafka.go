package engines

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"earshot/schemas"
)

// kafka is how the brokers are reached.
type kafka struct {
	opts     []kgo.Opt
	embedded bool
	progress *shareProgress // of the embedded Kafka, else nil
	log      clientLog      // of all clients
}

// embeddedDeliveryLimit is how often the embedded Kafka hands out a record of a share group before it archives it. Kafka's default is 5.
const embeddedDeliveryLimit = 10

// openKafka connects to the configured brokers or starts kfake.
func (e *Engines) openKafka(ctx context.Context) (err error) {
	e.kafka.log = clientLog{log: e.log, now: time.Now, refused: map[string]refusal{}}
	hint := "named by EARSHOT_KAFKA_BROKERS"
	if len(e.cfg.KafkaBrokers) > 0 {
		e.kafka.opts, err = e.cfg.kafkaOptions()
	} else {
		hint = "embedded"
		err = e.startKafka()
	}
	if err != nil {
		return err
	}
	if e.admin, err = e.Kafka(); err != nil {
		return fmt.Errorf("Kafka (%s): %w", hint, err)
	}
	e.onClose("the Kafka client", func(context.Context) error { e.admin.Close(); return nil })
	wait, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := e.admin.Ping(wait); err != nil {
		return fmt.Errorf("Kafka at %v does not answer (%s): %w", e.cfg.KafkaBrokers, hint, err)
	}
	if e.kafka.embedded {
		return e.keepShareProgress()
	}
	return nil
}

func (c *Config) kafkaOptions() ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(c.KafkaBrokers...)}
	if c.KafkaTLS {
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if c.KafkaUser == "" {
		return opts, nil
	}
	switch c.KafkaMechanism {
	case "SCRAM-SHA-512":
		return append(opts, kgo.SASL(scram.Auth{User: c.KafkaUser, Pass: c.KafkaPassword}.AsSha512Mechanism())), nil
	case "SCRAM-SHA-256":
		return append(opts, kgo.SASL(scram.Auth{User: c.KafkaUser, Pass: c.KafkaPassword}.AsSha256Mechanism())), nil
	case "PLAIN":
		return append(opts, kgo.SASL(plain.Auth{User: c.KafkaUser, Pass: c.KafkaPassword}.AsMechanism())), nil
	}
	return nil, fmt.Errorf("EARSHOT_KAFKA_MECHANISM is %q: use SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", c.KafkaMechanism)
}

// startKafka runs kfake on the data folder. What is to be known of it:
//   - Records live in segment files, as compressed by the producer; memory holds about 100 bytes per batch. One goroutine does everything.
//   - At start all segments are read, those of different partitions at once and each as a whole: small segments bound that memory. It takes
//     half a second for 500,000 records (600 MB, 200 MB compressed).
//   - Writes reach the page cache before they are acknowledged: they survive a kill, and a power cut only with SyncWrites.
//   - Compaction removes a partition's files before it writes the new ones: a kill or a full disk in between would lose the partition. So no
//     topic is compacted here, see topicConfig.
//   - A batch that cannot be written (full disk) is refused with UNKNOWN_SERVER_ERROR, but its sequence number is taken: a producer that sent the same
//     batch again would be told it was a duplicate. franz-go does not, as the error is final.
//   - Retention is Kafka's week unless a topic says otherwise, and so is that of a group's offsets: both are set here or per topic.
//   - Lock duration and delivery limit of share groups are the broker's; the group's own settings are stored and not used.
//   - The progress of share groups is kept only through a clean Close: see shareProgress. Delivery counts begin anew after a crash, so a record that
//     kills this process is never given up: what may crash must run in a process of its own.
func (e *Engines) startKafka() error {
	dir := filepath.Join(e.cfg.Data, "kafka")
	// The accounts of the last run would replace the one given here.
	if err := os.Remove(filepath.Join(dir, "sasl.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the embedded Kafka's data folder: %w", err)
	}
	user, password := "earshot", rand.Text() // other users of this machine reach loopback too
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.DataDir(dir), kfake.ClusterID("earshot"), kfake.WithLogger(brokerLog{e.log}),
		kfake.EnableSASL(), kfake.Superuser("PLAIN", user, password),
		kfake.BrokerConfigs(map[string]string{
			"group.share.delivery.count.limit":    strconv.Itoa(embeddedDeliveryLimit),
			"group.share.record.lock.duration.ms": strconv.Itoa(int(embeddedLock.Milliseconds())),
			"share.record.lock.sweep.interval.ms": "1000",
			"offsets.retention.minutes":           "52560000", // a century: a stopped sink must find its place again
			"log.retention.ms":                    "-1",
			"log.segment.bytes":                   strconv.Itoa(16 << 20),
			"message.max.bytes":                   strconv.Itoa(largestBatch(schemas.Topics)),
			"default.replication.factor":          "1",
		}),
	}
	if e.cfg.KafkaSync {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("the embedded Kafka cannot start on %s: %w", dir, err)
	}
	e.onClose("the embedded Kafka", func(context.Context) error { cluster.Close(); return nil })
	e.kafka.embedded = true
	e.kafka.opts = []kgo.Opt{
		kgo.SeedBrokers(cluster.ListenAddrs()...),
		kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()),
		kgo.DisableClientMetrics(),
	}
	return nil
}

// Kafka makes a new client on the right brokers; the caller closes it. opts come after the defaults made here and may replace them: a linger
// of 5 ms, batches as large as schemas.Topics allows for each topic, warnings in the log. Each worker slot of a share group needs a
// client of its own.
func (e *Engines) Kafka(opts ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{
		kgo.ClientID("earshot"),
		kgo.DialTimeout(startTimeout),
		// The partitions of a killed sink stand still for this long; Kafka's default is 45 s. Heartbeats go on while a sink waits for its engine.
		kgo.SessionTimeout(10 * time.Second),
		// A sink's first fetch may leave before all its partitions are known; the others wait until it comes back, up to 5 s by default.
		// 500 ms is the default of share groups, which processors.Worker counts on.
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.ProducerLinger(5 * time.Millisecond),
		kgo.ProducerBatchMaxBytesFn(batchBytes),
		kgo.WithLogger(&e.kafka.log),
	}
	return kgo.NewClient(append(append(base, e.kafka.opts...), opts...)...)
}

// defaultBatch is the brokers' default of message.max.bytes, less some room for the frame, as franz-go has it.
const defaultBatch = 1_000_012

func batchBytes(topic string) int32 {
	for _, t := range schemas.Topics {
		if t.Name == topic && t.MaxBytes > 0 {
			return int32(t.MaxBytes)
		}
	}
	return defaultBatch
}

func largestBatch(topics []schemas.Topic) int {
	largest := 1 << 20
	for _, t := range topics {
		largest = max(largest, maxMessageBytes(t))
	}
	return largest
}

// maxMessageBytes is the max.message.bytes of a topic: its largest record with room for the batch around it.
func maxMessageBytes(t schemas.Topic) int { return t.MaxBytes + 64<<10 }

// EnsureTopics creates the topics that are missing. Existing ones are left as an operator made them.
func (e *Engines) EnsureTopics(ctx context.Context, topics []schemas.Topic) error {
	adm := kadm.NewClient(e.admin)
	have, err := adm.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("listing Kafka's topics: %w", err)
	}
	for _, t := range topics {
		if have.Has(t.Name) {
			continue
		}
		_, err := adm.CreateTopic(ctx, int32(t.Partitions), e.cfg.KafkaReplication, e.topicConfig(t), t.Name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // another process may be starting too
			return fmt.Errorf("creating the Kafka topic %s: %w", t.Name, err)
		}
	}
	return nil
}

// topicConfig is how Kafka is told what t asks for. On the embedded Kafka a compacted topic keeps everything instead: its compaction does
// not survive a crash.
func (e *Engines) topicConfig(t schemas.Topic) map[string]*string {
	config := map[string]*string{"cleanup.policy": new("delete"), "retention.ms": new("-1")}
	if t.Retention > 0 {
		config["retention.ms"] = new(strconv.FormatInt(t.Retention.Milliseconds(), 10))
	}
	if t.Compact && !e.kafka.embedded {
		config["cleanup.policy"] = new("compact")
	}
	if t.MaxBytes > 0 {
		config["max.message.bytes"] = new(strconv.Itoa(maxMessageBytes(t)))
	}
	return config
}
