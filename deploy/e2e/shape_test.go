package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// The fields of the answers and their types, as the seed's tables "Parameter
// description (response)" have them (sections 1 to 4). Types: int, number,
// string, bool, date (YYYY-MM-DD), datetime (ISO 8601 with a zone), uuid, object,
// array; "|null" where the seed allows it.
const (
	loginFields = `
		message string
		error_code int
		token string
		locale string
		user_id int
		email string
		tariff object
		tariff.id int
		tariff.name string
		tariff.identifier string
		tariff.days_left int
		tariff.start_date datetime
		tariff.end_date datetime
		tariff.remaining_resources.available_audio_minutes int
		tariff.remaining_resources.available_call_minutes int
		tariff.remaining_resources.available_text_tokens int
		tariff.remaining_resources.available_image_tokens int
		tariff.usage.used_audio_minutes int
		tariff.usage.used_call_minutes int
		tariff.usage.used_text_tokens int
		tariff.usage.used_image_tokens int
		tariff.transcription_enabled bool
		tariff.image_generation_enabled bool
		tariff.calls_enabled bool
		directories array
		directories[].id int
		directories[].name string
		last_tasks array
		last_tasks[].directory_id int|null
		last_tasks[].status string
		last_tasks[].id uuid
		last_tasks[].created_at datetime
		last_tasks[].file_path string|null
		last_tasks[].task_length number
		call_activity_tree object`

	tariffFields = `
		success bool
		errorcode int
		tariff object
		tariff.id int
		tariff.name string
		tariff.identifier string
		tariff.days_left int
		tariff.text_tokens int
		tariff.image_tokens int
		tariff.limits.audio_minutes int
		tariff.limits.call_minutes int
		tariff.limits.text_tokens int
		tariff.limits.image_tokens int
		tariff.limits.report_count int
		tariff.limits.video_minutes int
		tariff.limits.chat_count int
		tariff.remaining_resources.available_audio_minutes int
		tariff.remaining_resources.available_call_minutes int
		tariff.remaining_resources.available_text_tokens int
		tariff.remaining_resources.available_image_tokens int
		tariff.remaining_resources.available_report_count int
		tariff.remaining_resources.available_video_minutes int
		tariff.remaining_resources.available_chat_count int
		tariff.usage.used_audio_minutes int
		tariff.usage.used_call_minutes int
		tariff.usage.used_text_tokens int
		tariff.usage.used_image_tokens int
		tariff.usage.used_report_count int
		tariff.usage.used_video_minutes int
		tariff.usage.used_chat_count int
		tariff.transcription_enabled bool
		tariff.image_generation_enabled bool
		tariff.calls_enabled bool
		tariff.start_date datetime
		tariff.end_date datetime
		tariff.price.currency string
		tariff.price.value number`

	addCallFields = `
		id int
		error_code int
		code uuid`

	addChatFields = `
		success bool
		error_code int
		success_message string
		task_code uuid`

	// getTaskFields fit a call with its text; normalized_text, blog_post and
	// image_prompt are there where their processing was asked for.
	getTaskFields = `
		success bool
		error_code int
		id int
		type string
		status string
		file_name string
		created_at datetime
		updated_at datetime
		call_date date|null
		error_message null
		directory_id int
		report_type null
		task_code uuid
		task_length number
		task_result object
		task_result.blog_post null
		task_result.image_prompt null
		task_result.normalized_text string|null
		task_result.original_text string
		task.error_code int
		task.error_message null`

	filterFields = `
		tasks array
		tasks[].id int
		tasks[].type string
		tasks[].status string
		tasks[].file_name string|null
		tasks[].created_at datetime|null
		tasks[].updated_at datetime|null
		tasks[].operator_name string|null
		tasks[].call_time datetime|null
		tasks[].call_type string|null
		tasks[].call_date date|null
		tasks[].error_message string|null
		tasks[].directory_id int|null
		tasks[].task_length number
		tasks[].task_code uuid
		tasks[].report_type string|null
		tasks[].customer_satisfaction_score int|null
		tasks[].error_code int
		pagination object
		pagination.current_page int
		pagination.per_page int
		pagination.total_tasks int
		pagination.total_pages int`

	analysisFields = `
		success bool
		error_code int
		task_code uuid
		call_datetime datetime
		call_type string|null
		duration_sec int
		transcript.language string
		transcript.turns int
		analysis.summary string
		analysis.sentiment string
		analysis.scores object
		analysis.scores.csat int|null
		analysis.scores.politeness number|null
		analysis.scores.empathy number|null
		analysis.actions array
		analysis.tags array
		analysis.analysis_notes.decision_driver string
		analysis.analysis_notes.emotional_dynamics string
		analysis.analysis_notes.funnel_stage string
		analysis.analysis_notes.intention string
		analysis.analysis_notes.key_obstacles string
		analysis.analysis_notes.next_action string
		analysis.analysis_notes.operator_commitments string
		analysis.analysis_notes.product_or_service string
		analysis.analysis_notes.reason_for_contact string
		analysis.analysis_notes.risk_signals string
		analysis.analysis_notes.root_cause string
		analysis.analysis_notes.sales_signals string
		analysis.no_speech bool
		analysis.role_source string
		analysis.role_confidence number|null
		analysis.sound.marks array
		analysis.sound.suppressed array
		analysis.sound.suppressed_count int
		analysis.metrics.hold_sec number|null
		analysis.metrics.speakers array
		call_checklists array
		call_checklists[].checklist_id int
		call_checklists[].title string
		call_checklists[].score number
		call_checklists[].answers array
		call_checklists[].answers[].question_id int
		call_checklists[].answers[].title string
		call_checklists[].answers[].value bool
		category_ids array
		customer_satisfaction_score int|null`

	// chatFields are what the analysis of a chat with something to say holds.
	chatFields = `
		analysis.actions[] string
		analysis.tags[] string
		analysis.scores.csat int
		analysis.scores.politeness number
		analysis.scores.empathy number
		analysis.resolution string
		analysis.metrics object
		analysis.evidence array
		customer_satisfaction_score int`
)

// shaped checks that an answer has every field of a table, with its type. It
// may have more.
func shaped(t testing.TB, what string, a answer, table string) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber() // 3 and 3.0 are different things in a table that says int
	var doc any
	if err := decoder.Decode(&doc); err != nil {
		t.Errorf("%s: %q is no JSON: %v", what, a.body, err)
		return
	}
	for line := range strings.Lines(table) {
		path, kinds, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		values, err := values(doc, strings.Split(path, "."))
		if err != nil {
			t.Errorf("%s: %s: %v in %.300s", what, path, err, a.body)
			continue
		}
		for _, v := range values {
			if !isOneOf(v, strings.Split(kinds, "|")) {
				t.Errorf("%s: %s is %#v, not of type %s", what, path, v, kinds)
			}
		}
	}
}

// values follows a path; "name[]" stands for every element of a list, of which
// there must be one.
func values(doc any, path []string) ([]any, error) {
	if len(path) == 0 {
		return []any{doc}, nil
	}
	name, list := strings.CutSuffix(path[0], "[]")
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is asked of %T", name, doc)
	}
	value, ok := object[name]
	if !ok {
		return nil, fmt.Errorf("there is no %s", name)
	}
	if !list {
		return values(value, path[1:])
	}
	elements, ok := value.([]any)
	if !ok || len(elements) == 0 {
		return nil, fmt.Errorf("%s is an empty list or none", name)
	}
	var all []any
	for _, e := range elements {
		got, err := values(e, path[1:])
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

func isOneOf(v any, kinds []string) bool {
	for _, kind := range kinds {
		if isA(v, kind) {
			return true
		}
	}
	return false
}

func isA(v any, kind string) bool {
	text, isText := v.(string)
	number, isNumber := v.(json.Number)
	var err error
	switch kind {
	case "null":
		return v == nil
	case "int":
		return isNumber && !strings.ContainsAny(number.String(), ".eE")
	case "number":
		return isNumber
	case "string":
		return isText
	case "bool":
		_, ok := v.(bool)
		return ok
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "date":
		_, err = time.Parse(time.DateOnly, text)
	case "datetime":
		_, err = time.Parse(time.RFC3339Nano, text)
	case "uuid":
		_, err = uuid.Parse(text)
	default:
		return false // a misspelt table
	}
	return isText && err == nil
}
