package bi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"gocloud.dev/blob/memblob"

	"earshot/ingest"
	"earshot/ingest/accounts"
	"earshot/schemas"
	"earshot/sinks/state"
)

// house is a log and a state of the test's own, with what reads and changes accounts.
func house(t *testing.T) (*accounts.Accounts, *ingest.Auditor) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var topics []kfake.Opt
	for _, topic := range schemas.Topics {
		topics = append(topics, kfake.SeedTopics(int32(topic.Partitions), topic.Name))
	}
	cluster, err := kfake.NewCluster(append(topics, kfake.NumBrokers(1))...)
	must(err)
	t.Cleanup(cluster.Close)
	client := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.FetchMaxWait(50*time.Millisecond))...)
	}
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { rdb.Close() })
	producer, err := client()
	must(err)
	t.Cleanup(producer.Close)
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })
	var codec schemas.Codec
	store, metrics, log := state.New(rdb, state.Config{}), schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- state.NewProjection(store, client, &codec, metrics, log).Run(ctx) }()
	t.Cleanup(func() { cancel(); must(<-done) })
	must(store.AwaitReady(t.Context()))
	door := ingest.NewDoor(ingest.Config{ProduceTimeout: 20 * time.Second}, store, producer, &codec, bucket, metrics, log)
	return accounts.New(store, door, schemas.DefaultPrices), ingest.NewAuditor(producer, &codec, metrics, log)
}

// `earshot admin bi` knows the organisations, says what is wrong, and shows no password of an account that is not there.
func TestCommands(t *testing.T) {
	people, auditor := house(t)
	org, err := people.CreateOrganisation(t.Context(), "Acme Ltd", "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, out, complaint string
		code                 schemas.Code
	}{
		{"bi create org_none", "", "no such organisation", schemas.CodeUserInvalid},
		{"bi rotate org_none", "", "no such organisation", schemas.CodeUserInvalid},
		{"bi create ORG", "", "EARSHOT_CLICKHOUSE_USER", 0},
		{"bi create ORG --max-seconds 10 --max-memory 100 --max-rows 1000 --max-result 10", "", "EARSHOT_CLICKHOUSE_USER", 0},
		{"bi rotate ORG", "", "earshot admin bi create", 0},
		{"bi drop ORG", "earshot_bi_ORG dropped\n", "", 0},
		{"bi drop a'b", "", "no such organisation", schemas.CodeUserInvalid},
		{"bi list", "org_1  earshot_bi_org_1\norg_2  earshot_bi_org_2\n", "", 0},
	} {
		t.Run(c.args, func(t *testing.T) {
			var out bytes.Buffer
			var admin struct {
				BI Commands `cmd:"" name:"bi"`
			}
			parser, err := kong.New(&admin, kong.BindTo(t.Context(), (*context.Context)(nil)))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := parser.Parse(strings.Fields(strings.ReplaceAll(c.args, "ORG", org.ID)))
			if err != nil {
				t.Fatal(err)
			}
			err = parsed.Run(&accounts.Console{Out: &out, Open: func(_ context.Context, do func(*accounts.Accounts, *ingest.Auditor) error) error {
				admin.BI.ClickHouse = db
				return do(people, auditor)
			}})
			var coded *schemas.Error
			if errors.As(err, &coded); c.code != 0 && (coded == nil || coded.Code != c.code) {
				t.Errorf("%v, want the code %d", err, c.code)
			}
			if (err == nil) != (c.complaint == "") || err != nil && !strings.Contains(err.Error(), c.complaint) || out.String() != strings.ReplaceAll(c.out, "ORG", org.ID) {
				t.Errorf("says %q, %v", out.String(), err)
			}
		})
	}
}
