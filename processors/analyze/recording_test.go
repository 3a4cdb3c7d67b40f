package analyze

import (
	"strings"
	"testing"

	"earshot/processors"
	"earshot/processors/measure"
	"earshot/schemas"
)

// Nobody in a recording of anything is an operator or a customer, whatever is
// said in it: nothing is scored, answered or held against a script.
func TestRecordingsAreNotJudged(t *testing.T) {
	question := []schemas.ChecklistQuestion{{ID: 77, Question: "Did the operator introduce themselves?", Active: true}}
	for name, c := range map[string]struct{ text, summary string }{
		"what sounds like a call": {"?: Good afternoon, thank you for calling HomeMart, my name is Kate. How can I help you?\n?: I want a refund, order 45821, or I will cancel my account!\n?: I am sorry, I have processed the refund.", "The recording is about: refunds"},
		"a memo":                  {"?: Remember to water the plants.", "What the recording is about cannot be told."},
		"по-русски":               {"?: Добрый день, чем могу помочь?\n?: Верните деньги за заказ!", "О чём запись: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := analyse(t, Input{Task: schemas.Task{Type: schemas.TypeAudio}, Utterances: turns(c.text), Questions: question,
				Scripts: []schemas.Script{{ID: 1, Body: "Greet the customer.", Active: true}}})
			if got.CSAT != nil || got.Politeness != nil || got.Empathy != nil || got.Script != nil || len(got.Checklist) != 0 || len(got.Commitments) != 0 || len(got.Actions) != 0 {
				t.Errorf("it is judged: %+v", got)
			}
			if got.Resolution != "unknown" || got.Priority != "low" || got.FunnelStage != "none" || strings.Join(got.RiskSignals, "") != "none" {
				t.Errorf("%s, %s, %s, %v", got.Resolution, got.Priority, got.FunnelStage, got.RiskSignals)
			}
			if !strings.HasPrefix(got.Summary, c.summary) || strings.Contains(got.Summary, "customer") || strings.Contains(got.Summary, "клиент") {
				t.Errorf("summary %q", got.Summary)
			}
		})
	}
	nothing := analyse(t, Input{Task: schemas.Task{Type: schemas.TypeAudio}, NoSpeech: true})
	if !nothing.NoSpeech || nothing.Summary == "" {
		t.Errorf("%+v", nothing)
	}
	// The same scanner goes on with calls.
	call := analyse(t, Input{Utterances: turns("o: Good afternoon, my name is Kate, how can I help you?\nc: I want a refund."), Questions: question})
	if call.CSAT == nil || len(call.Checklist) != 1 || call.Checklist[0].Answer != schemas.AnswerYes {
		t.Errorf("a call after it: %+v", call)
	}
}

// Chats and e-mails have no talk, but their times tell how long the customer
// waits.
func TestTextsAreMeasured(t *testing.T) {
	chat := schemas.TaskSubmitted{Utterances: turns("c: Hello?\nc: Anybody there?\no: Hello!\nc: My parcel is late.\no: I will look.")}
	sure := 0.8
	for i, at := range []float64{0, 20, 50, 60, 160} {
		chat.Utterances[i].Start = &at
	}
	chat.Utterances[2].RoleConfidence = &sure
	in := input(processors.Job{Submitted: &chat}, profile{}, measure.Config{})
	if m := in.Metrics; m.FirstResponse == nil || *m.FirstResponse != 50 || m.AverageResponse == nil || *m.AverageResponse != 75 || m.OperatorTalk != nil || m.Silence != nil {
		t.Errorf("%+v", m)
	}
	if in.Sound.RoleConfidence == nil || *in.Sound.RoleConfidence != sure {
		t.Errorf("roles are %v sure", in.Sound.RoleConfidence)
	}
}
