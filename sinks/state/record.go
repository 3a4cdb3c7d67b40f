package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"earshot/schemas"
)

// A record is all that Redis knows of one task. Its bytes begin with what the
// scripts and Versions read without decoding:
//
//	0..11   revision, new with every write: what compare-and-set compares
//	12..15  status version, four digits; 0000 = only usage is known yet
//	16..27  digest of the content
//	28..    id "," period, then the JSON of body
//
// The scripts count on these places.
const (
	endRevision = 12
	endVersion  = 16
	endDigest   = 28
)

type record struct {
	revision string
	version  int64
	digest   string // shortDigest of Task.Digest
	id       int64
	period   string // period of the reservation: the start of the subscription in ms, "" when none
	body
}

// body is the JSON part. The task's phase in the quota ledger is kept here
// and not in sets of seen event ids, which would grow for ever.
type body struct {
	Task      compactTask      `json:"t"`
	Status    string           `json:"s,omitempty"`
	ErrorCode int64            `json:"e,omitempty"`
	Error     string           `json:"m,omitempty"`
	CSAT      *int64           `json:"c,omitempty"`
	Files     []string         `json:"f,omitempty"`
	UpdatedAt time.Time        `json:"a,omitzero"`
	Held      int64            `json:"h,omitempty"` // units of Task.Resource that the ledger holds for the task now
	Used      map[string]int64 `json:"u,omitempty"` // units by resource that the ledger has counted
	// Early is where Used was counted, by resource, until the task itself is known.
	Early map[string]counted `json:"y,omitempty"`
}

// counted is where the ledger has counted some usage.
type counted struct {
	Period      string `json:"p"`
	Transcribed bool   `json:"t,omitempty"` // and not analysed
}

// compactTask is schemas.Task with short names; the conversion between the
// two compiles only as long as they have the same fields.
type compactTask struct {
	Code         string    `json:"a"`
	ID           int64     `json:"-"` // in the head, because Accept's script gives it
	Org          string    `json:"c"`
	User         int64     `json:"d,omitempty"`
	Type         string    `json:"e,omitempty"`
	Source       string    `json:"f,omitempty"`
	ExternalID   string    `json:"g,omitempty"`
	Processing   string    `json:"h,omitempty"`
	FileName     string    `json:"i,omitempty"`
	ContentType  string    `json:"j,omitempty"`
	Blob         string    `json:"k,omitempty"`
	Digest       string    `json:"l,omitempty"`
	Bytes        int64     `json:"m,omitempty"`
	Language     string    `json:"n,omitempty"`
	DirectoryID  int64     `json:"o,omitempty"`
	OperatorName string    `json:"p,omitempty"`
	ClientID     string    `json:"q,omitempty"`
	CallType     string    `json:"r,omitempty"`
	CallDate     string    `json:"s,omitempty"`
	CallTime     time.Time `json:"t,omitzero"`
	CreatedAt    time.Time `json:"u,omitzero"`
	Seconds      float64   `json:"v,omitempty"`
	ReportType   string    `json:"w,omitempty"`
	Resource     string    `json:"x,omitempty"`
	Reserved     int64     `json:"y,omitempty"`
	Idempotency  string    `json:"z,omitempty"`
	TraceParent  string    `json:"tp,omitempty"`
}

func newRevision() string { return fmt.Sprintf("%012x", rand.Uint64()&(1<<48-1)) }

// head is everything before the id; Accept's script appends id and period.
func (r *record) head() string {
	return fmt.Sprintf("%s%04d%s", newRevision(), r.version, r.digest)
}

func (r *record) encode() (string, error) {
	b, err := json.Marshal(&r.body)
	if err != nil {
		return "", fmt.Errorf("encode task %s: %w", r.Task.Code, err)
	}
	return r.head() + strconv.FormatInt(r.id, 10) + "," + r.period + string(b), nil
}

var errBroken = errors.New("a task record in Redis is not readable; was it written by a newer Earshot? FLUSHDB makes Earshot rebuild it from the log")

func decodeRecord(raw string) (*record, error) {
	comma, brace := strings.IndexByte(raw, ','), strings.IndexByte(raw, '{')
	if comma < endDigest || brace < comma {
		return nil, errBroken
	}
	r := &record{revision: raw[:endRevision], digest: raw[endVersion:endDigest], period: raw[comma+1 : brace]}
	var err1, err2 error
	r.version, err1 = strconv.ParseInt(raw[endRevision:endVersion], 10, 64)
	r.id, err2 = strconv.ParseInt(raw[endDigest:comma], 10, 64)
	if err := errors.Join(err1, err2, json.Unmarshal([]byte(raw[brace:]), &r.body)); err != nil {
		return nil, fmt.Errorf("%w (%v)", errBroken, err)
	}
	r.Task.ID = r.id
	return r, nil
}

func (r *record) status() schemas.TaskStatus {
	return schemas.TaskStatus{Task: schemas.Task(r.Task), Status: r.Status, Version: r.version,
		ErrorCode: r.ErrorCode, Error: r.Error, CSAT: r.CSAT, UpdatedAt: r.UpdatedAt, Files: r.Files}
}

// live says whether the task owns its duplicate and idempotency keys.
func (r *record) live() bool { return r.version > 0 && r.Status != schemas.StatusError }

// applyStatus takes a status that is further than what is known; of two with
// the same version the later one, so that any order of events ends the same.
func (r *record) applyStatus(e schemas.TaskStatus) bool {
	if e.Version < r.version || e.Version == r.version && !e.UpdatedAt.After(r.UpdatedAt) {
		return false
	}
	r.version, r.id, r.digest = e.Version, e.Task.ID, shortDigest(e.Task.Digest)
	r.Task, r.Status, r.ErrorCode, r.Error = compactTask(e.Task), e.Status, e.ErrorCode, e.Error
	r.CSAT, r.UpdatedAt, r.Files = e.CSAT, e.UpdatedAt, e.Files
	return true
}

// applySubmitted makes the task known as pending when nothing more is known.
func (r *record) applySubmitted(t schemas.Task) bool {
	return r.version == 0 && r.applyStatus(pendingStatus(t))
}

func pendingStatus(t schemas.Task) schemas.TaskStatus {
	return schemas.TaskStatus{Task: t, Status: schemas.StatusPending,
		Version: schemas.StatusVersion(schemas.StatusPending), UpdatedAt: t.CreatedAt}
}

// applyUsage counts a resource once; a repetition changes nothing.
func (r *record) applyUsage(resource string, units int64) bool {
	if _, seen := r.Used[resource]; seen {
		return false
	}
	if r.Used == nil {
		r.Used = map[string]int64{}
	}
	r.Used[resource] = units
	return true
}

// settle sets what the task holds of its quota: its reservation, until its
// usage is counted or it ends in error.
func (r *record) settle(periodOf func(time.Time) string) {
	_, used := r.Used[r.Task.Resource]
	r.Held = 0
	if r.live() && !used && r.Task.Resource != "" {
		r.Held = max(r.Task.Reserved, 0)
	}
	switch {
	case r.Held == 0:
		r.period = ""
	case r.period == "":
		r.period = periodOf(r.Task.CreatedAt)
	}
}

func (r *record) clone() *record {
	c := *r
	c.Used = maps.Clone(r.Used)
	return &c
}
