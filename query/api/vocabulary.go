package api

import (
	"github.com/gofiber/fiber/v2"

	"earshot/ingest"
	"earshot/schemas"
)

type vocabularyAnswer struct {
	Success    bool     `json:"success"`
	ErrorCode  int64    `json:"error_code"`
	Vocabulary []string `json:"vocabulary"`
}

// vocabulary answers GET /user/vocabulary, an endpoint of our own: the names
// and terms that the organisation's recogniser expects.
func (a *API) vocabulary(c *fiber.Ctx) error {
	o, err := a.Store.Organisation(c.UserContext(), callOf(c.Context()).user.Org)
	if err != nil {
		return err
	}
	return a.ok(c, vocabularyAnswer{Success: true, Vocabulary: list(o.Vocabulary)})
}

// setVocabulary answers PUT /user/vocabulary with {"vocabulary": ["eSIM", ...]},
// which replaces the whole list; the answer has it as it was kept. Recordings
// submitted from then on are heard with it. Errors: 4001 4002 4056.
func (a *API) setVocabulary(c *fiber.Ctx) error {
	var in struct {
		Vocabulary *[]string `json:"vocabulary"`
	}
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	if in.Vocabulary == nil {
		return schemas.Fail(schemas.CodeMissing, "vocabulary")
	}
	terms, err := ingest.Vocabulary(*in.Vocabulary)
	if err != nil {
		return err
	}
	if _, err := a.Accounts.ChangeOrganisation(c.UserContext(), callOf(c.Context()).user.Org, func(o *schemas.Organisation) error { o.Vocabulary = terms; return nil }); err != nil {
		return err
	}
	a.audit(c, schemas.AuditSettings, "vocabulary")
	return a.ok(c, vocabularyAnswer{Success: true, Vocabulary: terms})
}
