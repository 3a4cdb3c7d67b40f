package analyze

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"earshot/processors"
	"earshot/schemas"
	"earshot/sinks/state"
)

// profile is what an organisation wants checked, and its language.
type profile struct {
	questions  []schemas.ChecklistQuestion
	scripts    []schemas.Script
	categories []schemas.Category
	locale     string
	digest     string    // see settings
	loaded     time.Time // before the first of it was read
}

// Reading the settings from Redis for every chat would cost more than the
// analysis itself, so that they are kept for a while: never longer than
// profileAge, and not longer than profileLook for what came in after they were
// read (the clocks of two machines may differ by as much).
const (
	profileAge  = 5 * time.Second
	profileLook = time.Second
	profilesMax = 10_000
)

// profiles are those of the organisations at work. It is safe for concurrent use.
type profiles struct {
	store *state.Store
	save  state.Save
	known *expirable.LRU[string, profile]
}

func newProfiles(store *state.Store, save state.Save) *profiles {
	return &profiles{store, save, expirable.NewLRU[string, profile](profilesMax, nil, profileAge)}
}

// of gives the settings that a job is done with. For what is to be analysed
// again they are those of this moment, so that a change made before it was asked
// for always counts. For a new task a change counts that was made before the
// task came in, unless it was made less than profileLook ago; one made since
// counts within profileAge.
func (p *profiles) of(ctx context.Context, job processors.Job) (profile, error) {
	if known, ok := p.known.Get(job.Task.Org); ok && job.Again == nil {
		since := job.Task.CreatedAt.Add(profileLook)
		if known.loaded.After(since) || time.Since(known.loaded) < profileLook {
			return known, nil
		}
	}
	loaded, err := loadProfile(ctx, p.store, p.save, job.Task.Org)
	if err == nil {
		p.known.Add(job.Task.Org, loaded)
	}
	return loaded, err
}

func loadProfile(ctx context.Context, store *state.Store, save state.Save, org string) (p profile, err error) {
	p.loaded = time.Now()
	every := func(schemas.ChecklistQuestion) bool { return true }
	if p.questions, err = store.Ask(ctx, org, save, every); err != nil {
		if _, ok := schemas.RecordFault(err); ok { // a turn that does not come is not the conversation's fault
			err = schemas.Because(schemas.CodeUnavailable, err, "")
		}
		return p, fmt.Errorf("checklist of %s: %w", org, err)
	}
	if p.scripts, err = state.List[schemas.Script](ctx, store, org, schemas.KindScript); err != nil {
		return p, fmt.Errorf("scripts of %s: %w", org, err)
	}
	if p.categories, err = state.List[schemas.Category](ctx, store, org, schemas.KindCategory); err != nil {
		return p, fmt.Errorf("categories of %s: %w", org, err)
	}
	o, err := store.Organisation(ctx, org)
	if err != nil {
		return p, fmt.Errorf("organisation %s: %w", org, err)
	}
	p.locale = o.Locale
	p.digest = p.settings()
	return p, nil
}

// settings is a digest of what judges a conversation, 12 hexadecimal digits. What
// does not change the judgement does not change it: who made a setting when,
// whether a question was asked, what is switched off. Where an organisation has
// none of its own, the built-in ones count, whose version is the analyser's.
func (p profile) settings() string {
	sum := sha256.New()
	for _, q := range p.questions {
		if q.Active {
			fmt.Fprintf(sum, "question %d %q\n", q.ID, q.Question)
		}
	}
	for _, s := range p.scripts {
		if s.Active {
			fmt.Fprintf(sum, "script %d %d\n", s.ID, s.Version)
		}
	}
	for _, c := range p.categories {
		fmt.Fprintf(sum, "category %d %d %q %q\n", c.ID, c.ParentID, c.Name, c.Description)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}
