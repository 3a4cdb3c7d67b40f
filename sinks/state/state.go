// Package state is the operational state of Earshot in Redis: accounts and
// settings, the status of every task, quotas, duplicate and idempotency keys.
// All of it is a projection of the log. Redis may be flushed at any moment:
// the Projection notices and builds it again.
//
// A Store is the reads and writes; a Projection follows the log. One rule
// holds them together: nothing is answered and nothing is written while the
// ready marker is missing, because without the whole state an id would be
// given twice or a quota oversold.
//
// Keys are "earshot:{ORG}:…", so that an organisation's keys stay together and
// another organisation's task code cannot even be named. The marker, the log
// offsets and the index of e-mail addresses are global; scripts touch both,
// so one Redis primary (with replicas) holds the state, not a Redis Cluster.
//
// Redis must not evict (maxmemory-policy noeviction): a missing key would be
// taken for a task that never was. It need not persist either: a Redis that
// restarts empty is noticed at once, one that comes back with data of minutes
// ago only at the next batch. It holds about 1 KB a task.
package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config holds the knobs of the state.
type Config struct {
	TextTTL time.Duration `env:"EARSHOT_TEXT_TTL" envDefault:"168h" help:"how long Redis keeps a task's original text; later it is read from ClickHouse"`
}

// ErrNotReady means that Redis does not hold the whole state: it has not been
// built yet, or Redis lost it. The Projection (role sink) builds it from the
// log, which takes seconds; callers answer 503 and the client tries again.
var ErrNotReady = errors.New("the state in Redis is not built from the log yet; try again in a few seconds (is a process with the sink role running?)")

// Store reads and writes the state. It is safe for concurrent use.
type Store struct {
	rdb  *redis.Client
	cfg  Config
	now  func() time.Time
	lost chan struct{} // tells the projection that the marker is missing

	gather gathering
}

// New returns a store on an opened client.
func New(rdb *redis.Client, cfg Config) *Store {
	if cfg.TextTTL <= 0 {
		cfg.TextTTL = 7 * 24 * time.Hour
	}
	return &Store{rdb: rdb, cfg: cfg, now: time.Now, lost: make(chan struct{}, 1),
		gather: gathering{waiting: map[string][]*asking{}}}
}

// Ready is nil when the state is built, ErrNotReady when it is not, or the
// error of Redis.
func (s *Store) Ready(ctx context.Context) error {
	n, err := s.rdb.Exists(ctx, keyReady).Result()
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if n == 0 {
		return s.notReady()
	}
	return nil
}

// notReady is ErrNotReady; it also wakes the projection of this process.
func (s *Store) notReady() error {
	select {
	case s.lost <- struct{}{}:
	default:
	}
	return ErrNotReady
}

// Global keys.
const (
	keyPrefix  = "earshot:"
	keyReady   = keyPrefix + "ready"   // its value is the epoch: a new one for every build
	keyLock    = keyPrefix + "lock"    // held by the process that builds
	keyOffsets = keyPrefix + "offsets" // hash "topic/partition" -> next offset
	keyUsers   = keyPrefix + "users"   // hash e-mail -> org/id
	keyOrgs    = keyPrefix + "orgs"    // set of organisations
	keyReports = keyPrefix + "reports" // hash code -> organisation, of report tasks that were begun
)

// Keys of an organisation, after its prefix.
const (
	subTask      = "t:"        // + code: the task's record
	subText      = "x:"        // + code: its original text, with a time to live
	subIdem      = "i:"        // + digest of an Idempotency-Key: code, with a time to live
	subDup       = "dup"       // hash: duplicate field -> code
	subLedger    = "ledger"    // hash: PERIOD:u|t|h:RESOURCE -> units used | of them only transcribed | held
	subPlan      = "plan"      // hash: what Accept must know of the subscriptions, see entity.lua
	subIDs       = "ids"       // hash: "task" or kind of entity -> last id given
	subAccepting = "accepting" // zset: code -> ms, tasks whose event may not be on the log yet
	subEmails    = "emails"    // hash: user id -> the address it is found by
	subEntity    = "e:"        // + kind: hash id -> version, flag, JSON
	subTurn      = "w:"        // + name: who may change what it names, with a time to live
	subAgain     = "a:"        // + code: the version that the task's analysis was asked to have, with a time to live
	subWriting   = "v:"        // + code: the version of the task's analysis that is being written, with a time to live
)

func orgPrefix(org string) string { return keyPrefix + "{" + org + "}:" }

// validName says whether an organisation id, a task code or an entity's id may
// be part of a key; anything else never reaches one. (A regular expression
// would take a tenth of a rebuild.)
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 64
}

// validResource says the same of a resource; "" is none.
func validResource(r string) bool { return r == "" || validName(r) }
