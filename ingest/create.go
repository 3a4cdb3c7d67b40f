package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"earshot/schemas"
	"earshot/sinks/state"
)

// Creation is a request that creates one setting.
type Creation struct {
	Org, Kind string
	Key       string // the client's Idempotency-Key, "" when it sent none
	Name      string // what there may be only one of among the live ones of the kind
	Request   []byte // what was sent: with a Key, nothing else may be sent under it
}

// How long a request to create is remembered, and how many of a kind.
const (
	requestAge  = 24 * time.Hour
	requestsMax = 200
)

// requestsID is the id of the one entity of remembered requests of a kind.
const requestsID = 1

// Create runs save, which must Save the entity, with the id that it shall have.
// Which request has which id is on the log before the entity: when save fails,
// the entity may yet be on its way there, and the same request again (by its Key,
// else by its Name) makes the same one, not a second. may is asked before, and
// not when the entity of a Key was made already: then made is true and nothing is
// done. The caller is in turn for whatever may looks at. Errors: 4220 for a Key of
// another request, those of Save, may and save.
func (d *Door) Create(ctx context.Context, c Creation, may func(context.Context) error, save func(context.Context, int64) error) (id int64, made bool, err error) {
	known, err := state.Get[schemas.Requests](ctx, d.store, c.Org, kindOfRequests(c.Kind), requestsID)
	if err != nil {
		return 0, false, err
	}
	id, made, err = d.remembered(ctx, c, known)
	if err != nil || made {
		return id, made, err
	}
	if err := may(ctx); err != nil {
		return 0, false, err
	}
	if id == 0 {
		if id, err = d.remember(ctx, c, known); err != nil {
			return 0, false, err
		}
	}
	return id, false, save(ctx, id)
}

func kindOfRequests(kind string) string { return schemas.KindRequests + "." + kind }

// name is what a request is remembered by.
func (c Creation) name() string {
	if c.Key != "" {
		return "key " + sum(c.Key)
	}
	return "name " + sum(c.Name)
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(s[:16])
}

// remembered is the id that an earlier request like c was given, 0 for none, and
// whether the entity was made with it: one without a Key asks for a new one then.
func (d *Door) remembered(ctx context.Context, c Creation, known *schemas.Requests) (id int64, made bool, err error) {
	if known == nil {
		return 0, false, nil
	}
	r, ok := known.Known[c.name()]
	if !ok || time.Since(time.Unix(r.At, 0)) > requestAge {
		return 0, false, nil
	}
	if c.Key != "" && r.Digest != sum(string(c.Request)) {
		return 0, false, schemas.Fail(schemas.CodeKeyReused, "")
	}
	version, err := d.store.Version(ctx, c.Org, c.Kind, idText(r.ID))
	switch {
	case err != nil:
		return 0, false, err
	case version > 0 && c.Key == "":
		return 0, false, nil
	}
	return r.ID, version > 0, nil
}

func (d *Door) remember(ctx context.Context, c Creation, known *schemas.Requests) (int64, error) {
	id, err := d.store.NextID(ctx, c.Org, c.Kind)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	next := schemas.Requests{Known: map[string]schemas.Request{}}
	if known != nil {
		maps.Copy(next.Known, known.Known)
	}
	maps.DeleteFunc(next.Known, func(_ string, r schemas.Request) bool { return now.Sub(time.Unix(r.At, 0)) > requestAge })
	names := slices.SortedFunc(maps.Keys(next.Known), func(a, b string) int {
		x, y := next.Known[a], next.Known[b]
		if x.At != y.At {
			return int(x.At - y.At)
		}
		return strings.Compare(a, b)
	})
	for _, name := range names[:max(len(names)-requestsMax+1, 0)] {
		delete(next.Known, name)
	}
	next.Known[c.name()] = schemas.Request{ID: id, Digest: sum(string(c.Request)), At: now.Unix()}
	return id, d.Save(ctx, c.Org, kindOfRequests(c.Kind), idText(requestsID), next)
}
