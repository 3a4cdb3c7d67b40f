package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

func user(org, id string, n, version int64, email string) schemas.EntityChanged {
	return entityOf(org, schemas.KindUser, id, version, schemas.User{ID: n, Org: org, Email: email})
}

func deleted(e schemas.EntityChanged) schemas.EntityChanged {
	e.Deleted, e.Data = true, nil
	return e
}

func TestUsersAreFoundByTheirCurrentAddress(t *testing.T) {
	type want map[string]string // address -> org/id
	steps := []struct {
		name  string
		event schemas.EntityChanged
		want  want
	}{
		{"first", user(org, "1", 1, 1, "Ann@x.org"), want{"ann@x.org": "org_1/1", "ANN@X.ORG": "org_1/1"}},
		{"second organisation", user("org_2", "1", 1, 1, "bob@x.org"), want{"ann@x.org": "org_1/1", "bob@x.org": "org_2/1"}},
		{"address taken", user("org_2", "2", 2, 1, "ann@x.org"), want{"ann@x.org": "org_1/1"}},
		{"address changed", user(org, "1", 1, 3, "anna@x.org"), want{"ann@x.org": "", "anna@x.org": "org_1/1"}},
		{"older version", user(org, "1", 1, 2, "ann@x.org"), want{"ann@x.org": "", "anna@x.org": "org_1/1"}},
		{"deleted", deleted(user(org, "1", 1, 4, "")), want{"anna@x.org": "", "bob@x.org": "org_2/1"}},
		{"older than its deletion", user(org, "1", 1, 3, "anna@x.org"), want{"anna@x.org": ""}},
		{"made again", user(org, "1", 1, 5, "anna@x.org"), want{"anna@x.org": "org_1/1"}},
	}
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		for _, step := range steps {
			apply(t, s, step.event)
			for email, owner := range step.want {
				u, err := s.UserByEmail(ctx, email)
				if owner == "" {
					if codeOf(err) != schemas.CodeUserNotFound {
						t.Errorf("%s: %s is %+v, %v", step.name, email, u, err)
					}
					continue
				}
				if got := fmt.Sprintf("%s/%d", u.Org, u.ID); err != nil || got != owner {
					t.Errorf("%s: %s is %s (%v), want %s", step.name, email, got, err, owner)
				}
			}
		}
		if _, err := s.User(ctx, "org_3", 1); codeOf(err) != schemas.CodeUserNotFound {
			t.Errorf("user of another organisation: %v", err)
		}
	})
}

func TestListAndNextID(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		for _, id := range []string{"10", "9", "2"} {
			n := must(json.Number(id).Int64())
			apply(t, s, entityOf(org, schemas.KindDirectory, id, 1, schemas.Directory{ID: n, Name: id}),
				entityOf("org_2", schemas.KindDirectory, id, 1, schemas.Directory{ID: n, Name: "theirs"}))
		}
		apply(t, s, deleted(entityOf(org, schemas.KindDirectory, "9", 2, nil)))
		got, err := List[schemas.Directory](ctx, s, org, schemas.KindDirectory)
		if want := []schemas.Directory{{ID: 2, Name: "2"}, {ID: 10, Name: "10"}}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("list %+v, %v", got, err)
		}
		for _, c := range []struct {
			org, kind string
			want      int64
		}{{org, schemas.KindDirectory, 11}, {org, schemas.KindDirectory, 12}, {org, schemas.KindScript, 1}, {"org_3", schemas.KindDirectory, 1}} {
			if id, err := s.NextID(ctx, c.org, c.kind); err != nil || id != c.want {
				t.Errorf("next id of %s in %s: %d (%v), want %d", c.kind, c.org, id, err, c.want)
			}
		}
	})
}

func TestApplyRefusesWhatIsMalformed(t *testing.T) {
	good := plan(org, 1, map[string]int64{schemas.ResourceChats: 1})
	cases := map[string]func(*schemas.EntityChanged){
		"organisation": func(e *schemas.EntityChanged) { e.Org = "a}:{b" },
		"kind":         func(e *schemas.EntityChanged) { e.Kind = "" },
		"id":           func(e *schemas.EntityChanged) { e.ID = "1:2" },
		"version":      func(e *schemas.EntityChanged) { e.Version = -1 },
		"data":         func(e *schemas.EntityChanged) { e.Data = []byte("{") },
		"resource":     func(e *schemas.EntityChanged) { e.Data = []byte(`{"limits":{"a:b":1}}`) },
		"other data":   func(e *schemas.EntityChanged) { e.Kind, e.Data = schemas.KindScript, []byte("text") },
	}
	s := readyStore(t, miniRedis(t))
	for name, spoil := range cases {
		e := good
		spoil(&e)
		if err := s.Apply(context.Background(), e); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A renewal starts at nothing, whenever it is written, and what was limited by
// an earlier version of a plan is not included any more.
func TestQuotaBelongsToTheSubscription(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		end := planStart.AddDate(1, 0, 0)
		next := entityOf(org, schemas.KindPlan, "2", 1, schemas.Subscription{PlanID: 5, Start: end, Limits: map[string]int64{schemas.ResourceChats: 3}})
		apply(t, s, plan(org, 1, map[string]int64{schemas.ResourceChats: 2, schemas.ResourceReports: 1}), next,
			plan(org, 2, map[string]int64{schemas.ResourceChats: 1}))
		if a, err := s.Accept(ctx, chat(org), ""); err != nil || a.Outcome != Accepted {
			t.Fatalf("%+v, %v", a, err)
		}
		q, err := s.Quota(ctx, org)
		if want := map[string]Amount{schemas.ResourceChats: {Limit: 1, Reserved: 1}}; err != nil || q.PlanID != 4 || !reflect.DeepEqual(q.Resources, want) {
			t.Errorf("quota %+v, %v", q, err)
		}
		if _, err := s.Accept(ctx, chat(org), ""); codeOf(err) != schemas.CodeQuota {
			t.Errorf("over the limit: %v", err)
		}
		s.now = func() time.Time { return end }
		q, err = s.Quota(ctx, org)
		if want := map[string]Amount{schemas.ResourceChats: {Limit: 3}}; err != nil || q.PlanID != 5 || !reflect.DeepEqual(q.Resources, want) {
			t.Errorf("renewed quota %+v, %v", q, err)
		}
		if a, err := s.Accept(ctx, chat(org), ""); err != nil || a.Task.ID != 2 {
			t.Errorf("after the renewal: %+v, %v", a, err)
		}
		next.Version = 2
		apply(t, s, deleted(next))
		if _, err := s.Quota(ctx, org); codeOf(err) != schemas.CodeNoPlan {
			t.Errorf("after the deletion: %v", err)
		}
	})
}

func TestOrganisationIsReadWithItsVocabulary(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		want := schemas.Organisation{ID: org, Name: "Ours", Locale: "ru", Vocabulary: []string{"eSIM", "Смайл Телеком"}}
		apply(t, s, entityOf(org, schemas.KindOrganisation, org, 1, schemas.Organisation{ID: org, Name: "Before"}), entityOf(org, schemas.KindOrganisation, org, 2, want))
		if got, err := s.Organisation(ctx, org); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		apply(t, s, deleted(entityOf(org, schemas.KindOrganisation, org, 3, want)))
		for _, id := range []string{org, "org_2"} { // gone, and never there
			if got, err := s.Organisation(ctx, id); err != nil || !reflect.DeepEqual(got, schemas.Organisation{ID: id}) {
				t.Errorf("%s: %+v, %v", id, got, err)
			}
		}
	})
}
