package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"earshot/schemas"
)

// Another organisation's id must answer byte for byte as one that nobody has.
func TestTwoTenants(t *testing.T) {
	owner, stranger := newTenant(t), newTenant(t)
	put(t, owner.org, schemas.KindDirectory, "9", 1, schemas.Directory{ID: 9, Name: "Owner's"})
	code := submitChat(t, owner, map[string]any{"text": "Operator: secret", "external_id": "e"})
	insert(t, owner, row{code: code, id: 1, status: schemas.StatusCompleted, kind: schemas.TypeChat, text: "Operator: secret", analysis: &schemas.Analysis{Summary: "secret"}})
	nobody := uuid.NewString()
	for name, ask := range map[string]func(token, code, directory string) reply{
		"gettask": func(token, code, _ string) reply { return the.get(t, "/gettask?task_code="+code, token) },
		"calls_analysis_v2": func(token, code, _ string) reply {
			return the.get(t, "/api/calls_analysis_v2/"+code, token)
		},
		"calls_analysis": func(token, code, _ string) reply { return the.get(t, "/api/calls_analysis/"+code, token) },
		"docx": func(token, code, _ string) reply {
			return the.get(t, "/get_file?file_type=docx_call&task_code="+code, token)
		},
		"txt": func(token, code, _ string) reply {
			return the.get(t, "/get_file?file_type=txt_call&task_code="+code, token)
		},
		"audio": func(token, code, _ string) reply {
			return the.get(t, "/get_file?file_type=audio&task_code="+code, token)
		},
		"filter by GET": func(token, code, _ string) reply { return the.get(t, "/tasks/filter?task_code="+code, token) },
		"filter by POST": func(token, code, _ string) reply {
			return the.post(t, "/user/tasks/filter", token, map[string]string{"task_code": code})
		},
		"chat into a directory": func(token, _, directory string) reply {
			return the.post(t, "/add_chat_analysis_task", token, map[string]string{"text": "a", "directory_id": directory})
		},
		"upload into a directory": func(token, _, directory string) reply {
			body, kind := formOf(t, file("a.wav", wave(3, 8000, 1)), field("directory_id", directory))
			return the.send(t, http.MethodPost, "/addtaskcall", token, strings.NewReader(string(body)), "Content-Type", kind)
		},
		"audio into a directory": func(token, _, directory string) reply {
			body, kind := formOf(t, file("a.wav", wave(3, 8000, 1)), field("directory_id", directory))
			return the.send(t, http.MethodPost, "/addtaskaudio", token, strings.NewReader(string(body)), "Content-Type", kind)
		},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, missing := ask(stranger.token, code, "9"), ask(stranger.token, nobody, "8")
			if theirs.status != missing.status || theirs.raw != strings.ReplaceAll(missing.raw, "directory 8", "directory 9") {
				t.Errorf("another's answers %d %s\na missing one  %d %s", theirs.status, theirs.raw, missing.status, missing.raw)
			}
			if strings.Contains(theirs.raw, "secret") {
				t.Error(theirs.raw)
			}
			if mine := ask(owner.token, code, "9"); mine.raw == missing.raw {
				t.Errorf("the owner gets %s", mine.raw)
			}
		})
	}
	// What is one's own by nature: neither shows the other's.
	the.get(t, "/tasks/filter", stranger.token).has(t, "pagination.total_tasks", 0.0)
	r := the.post(t, "/auth/login", "", credentials(stranger.email, password))
	r.has(t, "directories", []any{})
	r.has(t, "last_tasks", []any{})
	the.get(t, "/user/tariff", stranger.token).has(t, "tariff.usage.used_chat_count", 0.0)
	// A token of one organisation with another's user id is nobody's.
	forged := stranger.user
	forged.Org = owner.org
	forged.ID = 2
	token, err := the.api.tokens.issue(forged, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken)
}
