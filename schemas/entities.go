package schemas

import (
	"encoding/json"
	"time"
)

// Kinds of entity.
const (
	KindOrganisation = "organisation"
	KindUser         = "user"
	KindPlan         = "plan" // an organisation's subscription to a plan
	KindDirectory    = "directory"
	KindChecklist    = "checklist" // one question
	KindScript       = "script"
	KindFilter       = "filter" // a saved filter of one user
	KindCategory     = "category"
	KindRenewals     = "renewals" // of one user's sessions; its id is the user's
	// KindRequests + "." + a kind holds, as the entity 1, the last requests that
	// created entities of that kind.
	KindRequests = "requests"
	// KindScriptVersion + "." + id of a script holds the versions of that script:
	// a Script each, its id the version.
	KindScriptVersion = "script_version"
)

// Bounds of settings: texts in bytes, the rest in entities of an organisation
// (saved filters: of a user). What the analyser must look for in every
// conversation is bounded by what it takes in.
const (
	MaxName           = 255
	MaxQuestion       = 1000
	MaxDescription    = 1000
	MaxScriptBody     = 64 << 10
	MaxCriteria       = 16 << 10
	MaxQuestions      = 200  // active ones
	MaxQuestionsEver  = 5000 // with those that were deleted, which stay
	MaxActiveScripts  = 20
	MaxScripts        = 200
	MaxScriptVersions = 200 // kept of each script, the newest
	MaxDirectories    = 1000
	MaxCategories     = 200
	MaxFilters        = 200
)

// FirstQuestion is the lowest id of an organisation's own checklist questions:
// the built-in ones, which are answered while there are none, have lower ids, so
// that an old answer is never taken for one to another question.
const FirstQuestion = 101

// Organisation owns everything else.
type Organisation struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Locale string `json:"locale"`
	// Vocabulary are names and terms that the recogniser should expect: at most
	// MaxVocabulary of MaxTermRunes letters each.
	Vocabulary []string `json:"vocabulary,omitempty"`
	Disabled   bool     `json:"disabled,omitempty"` // none of its users may come in
	// Epoch counts up with each time that it was disabled: it is added to its
	// users' in their tokens, so that those of before stay void.
	Epoch int64 `json:"epoch,omitempty"`
}

// Bounds of Organisation.Vocabulary.
const (
	MaxVocabulary = 200
	MaxTermRunes  = 64
)

// User is a person who may log in. PasswordHash is argon2id of the client's
// SHA-256 hex, never the hash the client sent.
type User struct {
	ID           int64  `json:"id"`
	Org          string `json:"org"`
	Email        string `json:"email"` // lower case
	PasswordHash string `json:"password_hash"`
	Locale       string `json:"locale"`
	Role         string `json:"role"` // one of the Role constants of users
	Disabled     bool   `json:"disabled"`
	// Epoch is in every token of the user, with the organisation's added to it; a
	// token with another sum is void. Neither ever goes back.
	Epoch int64 `json:"epoch,omitempty"`
	// Ended are sessions that were logged out, with the second (Unix) at which
	// their tokens would have run out anyway; later they are forgotten.
	Ended map[string]int64 `json:"ended,omitempty"`
}

// Renewals are the refresh tokens of a user that were used, by session.
type Renewals struct {
	Sessions map[string]Renewal `json:"sessions"`
}

// Renewal is what is remembered of a session's refresh tokens.
type Renewal struct {
	End  int64       `json:"end"`  // the second (Unix) at which all its tokens have run out
	Used []UsedToken `json:"used"` // the last ones, in order of use
}

// UsedToken is a refresh token (its jti) and when it was used first (Unix, ms).
type UsedToken struct {
	ID string `json:"id"`
	At int64  `json:"at"`
}

// Requests are requests to create a setting, by what tells one from another.
type Requests struct {
	Known map[string]Request `json:"known"`
}

// Request is what a request to create was given.
type Request struct {
	ID     int64  `json:"id"`     // that the entity has, or is about to have
	Digest string `json:"digest"` // of what was sent
	At     int64  `json:"at"`     // Unix, s
}

// Roles of users.
const (
	RoleAdmin      = "admin"      // also manages the organisation's users
	RoleSupervisor = "supervisor" // all conversations, and the settings
	RoleAgent      = "agent"      // works with conversations and changes no settings
)

// Subscription is an organisation's current plan with its limits by resource.
// A limit that is absent means none is included; -1 is unlimited.
type Subscription struct {
	PlanID     int64            `json:"plan_id"`
	Name       string           `json:"name"`
	Identifier string           `json:"identifier"`
	Start      time.Time        `json:"start"`
	End        time.Time        `json:"end"`
	Limits     map[string]int64 `json:"limits"`
	Currency   string           `json:"currency"` // ISO 4217, of Price; the default of Prices
	Price      float64          `json:"price"`    // of a period; Prices has it exactly
	// Overage lets what has a price by use go on beyond its limit, at that price;
	// without it more is refused (4050).
	Overage bool `json:"overage,omitempty"`
	// Prices are the terms by ISO 4217 currency, as agreed at the beginning:
	// another price list changes nothing of them.
	Prices map[string]Prices `json:"prices,omitempty"`
}

// Directory is a folder that tasks are filed in; AICA calls it a project.
type Directory struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// ChecklistQuestion is one question that every analysis answers, whoever of the
// organisation made it. A question that was deleted stays, inactive: its answers
// do.
type ChecklistQuestion struct {
	ID       int64  `json:"id"`
	User     int64  `json:"user_id,omitempty"` // who made it; 0 for a built-in one
	Question string `json:"question"`
	Active   bool   `json:"is_active"`
	// Asked tells that somebody has begun to answer it: its text stays from then on.
	Asked bool `json:"asked,omitempty"`
}

// Category is a topic that conversations are filed under by what is said in
// them, below another one or at the top.
type Category struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"` // words and phrases that tell it, separated by commas, semicolons or lines
	ParentID    int64     `json:"parent_id,omitempty"`   // 0: none
	CreatedAt   time.Time `json:"created_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
}

// SavedFilter is a set of parameters of /tasks/filter that a user gave a name.
type SavedFilter struct {
	ID        int64           `json:"id"`
	User      int64           `json:"user_id"`
	Name      string          `json:"name"`     // one of a kind among the user's
	Criteria  json.RawMessage `json:"criteria"` // a JSON object, as it was given
	CreatedAt time.Time       `json:"created_at,omitzero"`
}

// Script is the text an operator should follow.
type Script struct {
	ID          int64     `json:"id"`
	Identifier  string    `json:"identifier"` // one of a kind within the organisation
	Title       string    `json:"title"`
	Description string    `json:"description,omitempty"`
	Active      bool      `json:"is_active"`
	Version     int64     `json:"version"` // from 1; another text has another version
	Body        string    `json:"script_body"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
}
