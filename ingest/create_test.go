package ingest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"earshot/schemas"
	"earshot/sinks/state"
)

// make creates a directory as the API does: may refuses a name that is there.
func (h *house) make(key, name string, saving func()) (id int64, made bool, err error) {
	h.t.Helper()
	ctx := h.t.Context()
	may := func(context.Context) error {
		for _, d := range h.directories() {
			if d.Name == name {
				return schemas.Fail(schemas.CodeInvalid, "it is there")
			}
		}
		return nil
	}
	return h.Create(ctx, Creation{Org: org, Kind: schemas.KindDirectory, Key: key, Name: name, Request: []byte(name)}, may, func(ctx context.Context, id int64) error {
		saving()
		return h.Save(ctx, org, schemas.KindDirectory, fmt.Sprint(id), schemas.Directory{ID: id, Name: name})
	})
}

func (h *house) directories() []schemas.Directory {
	h.t.Helper()
	all, err := state.List[schemas.Directory](h.t.Context(), h.store, org, schemas.KindDirectory)
	h.must(err)
	return all
}

// What was answered 503 may yet get onto the log. The same request again, with a
// key or without, while the log is away or after it has come back, and after
// Redis lost everything, makes no second one.
func TestACreationInDoubtIsNotDoubled(t *testing.T) {
	for _, key := range []string{"", "k"} {
		for name, away := range map[string]func(*house){"before the id is known": (*house).goAway, "after it": nil} {
			t.Run(fmt.Sprintf("%s with key %q", name, key), func(t *testing.T) {
				h := newHouse(t)
				if away != nil {
					away(h)
				}
				for range 2 {
					_, made, err := h.make(key, "Calls", h.goAway)
					if wantCode(t, err, schemas.CodeUnavailable); made {
						t.Error("it is said to be made")
					}
				}
				h.comeBack()
				if away == nil { // all that waited arrives
					h.must(h.producer.Flush(t.Context()))
					for deadline := time.Now().Add(20 * time.Second); len(h.directories()) == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
					}
				}
				h.must(h.rdb.FlushAll(t.Context()).Err())
				h.must(h.store.AwaitReady(t.Context()))
				id, made, err := h.make(key, "Calls", func() {})
				there := away == nil
				switch {
				case there && key == "":
					wantCode(t, err, schemas.CodeInvalid)
				case err != nil || made != there:
					t.Errorf("directory %d, made before: %v, %v", id, made, err)
				}
				h.must(h.producer.Flush(t.Context()))
				if all := h.directories(); len(all) != 1 || id != 0 && all[0].ID != id {
					t.Errorf("directories %+v, the answer was %d", all, id)
				}
			})
		}
	}
}

// A key is for one request, also after what it made was deleted; a name may be
// had again then.
func TestKeysAndNamesOfCreations(t *testing.T) {
	h := newHouse(t)
	nothing := func() {}
	first, made, err := h.make("k", "Calls", nothing)
	if err != nil || made {
		t.Fatal(first, made, err)
	}
	_, _, err = h.make("k", "Other", nothing)
	wantCode(t, err, schemas.CodeKeyReused)
	_, _, err = h.make("", "Calls", nothing)
	wantCode(t, err, schemas.CodeInvalid)
	h.must(h.Remove(t.Context(), org, schemas.KindDirectory, fmt.Sprint(first)))
	if id, made, err := h.make("k", "Calls", nothing); id != first || !made || err != nil {
		t.Errorf("directory %d, made before: %v, %v", id, made, err)
	}
	second, made, err := h.make("", "Calls", nothing)
	if second == first || made || err != nil {
		t.Errorf("directory %d, made before: %v, %v", second, made, err)
	}
	for i := range requestsMax {
		if _, _, err := h.make(fmt.Sprint(i), fmt.Sprint(i), nothing); err != nil {
			t.Fatal(err)
		}
	}
	known, err := state.Get[schemas.Requests](t.Context(), h.store, org, kindOfRequests(schemas.KindDirectory), requestsID)
	if err != nil || len(known.Known) != requestsMax {
		t.Errorf("%d requests are remembered, %v", len(known.Known), err)
	}
}
