package schemas

import "time"

// Kinds of entity.
const (
	KindOrganisation = "organisation"
	KindUser         = "user"
	KindPlan         = "plan" // an organisation's subscription to a plan
	KindDirectory    = "directory"
	KindChecklist    = "checklist" // one question
	KindScript       = "script"
	KindFilter       = "filter"
	KindCategory     = "category"
)

// Organisation owns everything else.
type Organisation struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Locale string `json:"locale"`
	// Vocabulary are names and terms that the recogniser should expect: at most
	// MaxVocabulary of MaxTermRunes letters each.
	Vocabulary []string `json:"vocabulary,omitempty"`
	Disabled   bool     `json:"disabled,omitempty"` // none of its users may come in
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
	// Epoch is in every token of the user; a token with another one is void.
	Epoch int64 `json:"epoch,omitempty"`
	// Ended are sessions that were logged out, with the second (Unix) at which
	// their tokens would have run out anyway; later they are forgotten.
	Ended map[string]int64 `json:"ended,omitempty"`
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

// ChecklistQuestion is one question that every analysis answers.
type ChecklistQuestion struct {
	ID       int64  `json:"id"`
	Question string `json:"question"`
	Active   bool   `json:"is_active"`
}

// Script is the text an operator should follow.
type Script struct {
	ID          int64  `json:"id"`
	Identifier  string `json:"identifier"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Active      bool   `json:"is_active"`
	Version     int64  `json:"version"`
	Body        string `json:"script_body"`
}
