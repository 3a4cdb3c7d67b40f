package analyze

import (
	"context"
	"errors"
	"time"

	"earshot/processors"
	"earshot/processors/measure"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

// Stage returns the analysis as a stage: chats and transcripts in, analyses out.
// Chats are measured here, calls were when they were transcribed. What is to be
// analysed again is read with reader. With save questions are marked as asked
// before they are answered.
func Stage(a *Analyzer, store *state.Store, save state.Save, reader *read.Reader, cfg measure.Config) processors.Stage {
	settings := newProfiles(store, save)
	return processors.Stage{
		Name: schemas.StageAnalyze, Group: schemas.GroupAnalyze,
		Live: []string{schemas.TopicText, schemas.TopicTranscripts}, Bulk: []string{schemas.TopicTextBulk, schemas.TopicAgain},
		Batch: 200, Done: schemas.StatusVersion(schemas.StatusCompleted),
		Handle: func(ctx context.Context, job processors.Job) ([]processors.Event, error) {
			if job.Transcript != nil && job.Task.Processing == schemas.ProcessTranscription {
				return nil, nil // the transcript is all that was asked for; the warehouse completes it
			}
			p, err := settings.of(ctx, job)
			if err != nil {
				return nil, err
			}
			in := input(job, p, cfg)
			if job.Again != nil {
				before, err := claim(ctx, store, reader, *job.Again)
				if fault, ok := schemas.RecordFault(err); ok && (fault.Code == schemas.CodeTaskNotFound || fault.Code == schemas.CodeNoAnalysis) {
					return nil, nil // deleted since, or never analysed
				}
				if errors.Is(err, errFulfilled) {
					return nil, nil
				}
				if err != nil {
					return nil, err
				}
				in = again(in, before, *job.Again)
			}
			return []processors.Event{{Topic: schemas.TopicAnalyses, Value: a.Analyze(in)}}, nil
		},
	}
}

// errFulfilled says that a request was delivered once more: what it asks for is
// done.
var errFulfilled = errors.New("the analysis that was asked for is there")

// errWritten says that another version is being written for too long to be
// waited for with a slot of the analyser.
var errWritten = errors.New("another version of the analysis is being written")

// How long another version is waited for, and how often is looked.
const (
	claimWait = 20 * time.Second
	claimStep = 50 * time.Millisecond
)

// claim gives the newest analysis of a conversation, once nobody else writes a
// version of it, and marks that its next version is being written: a person's
// answer meanwhile waits for that. The same request again claims it again.
func claim(ctx context.Context, store *state.Store, reader *read.Reader, asked schemas.AnalysisRequested) (schemas.Analysis, error) {
	mark := state.WritingFor(asked)
	for waited := time.Duration(0); ; waited += claimStep {
		before, err := reader.Conversation(ctx, asked.Org, asked.TaskCode)
		if err == nil && !before.AskedAt.Before(asked.At) {
			err = errFulfilled
		}
		if err != nil {
			return before, err
		}
		next := []schemas.Analysed{{Code: asked.TaskCode, Version: before.Version}}
		marked, err := store.MarkAgain(ctx, mark, asked.Org, next)
		if err != nil {
			return before, err
		}
		if len(marked) > 0 {
			next[0].Version++
			return before, store.ExpectAgain(ctx, mark, asked.Org, next, state.AnalyserWrites)
		}
		if waited >= claimWait {
			return before, errWritten
		}
		select {
		case <-ctx.Done():
			return before, ctx.Err()
		case <-time.After(claimStep):
		}
	}
}

// again is the input of an analysis that follows one of the same conversation:
// all that was heard and measured stays, and what a person answered. Its version
// is the next one, whatever was expected: a person's answer may have been first.
func again(in Input, before schemas.Analysis, asked schemas.AnalysisRequested) Input {
	in.Task, in.Version, in.AskedAt = before.Task, before.Version+1, asked.At
	in.Utterances, in.Language, in.NoSpeech, in.RoleSource = before.Utterances, before.Language, before.NoSpeech, before.RoleSource
	in.Sound, in.Metrics, in.Heard = before.Sound, before.Metrics, before.SpeechModel
	for _, answer := range before.Checklist {
		if answer.AnsweredBy != 0 {
			in.Answers = append(in.Answers, answer)
		}
	}
	return in
}

func input(job processors.Job, p profile, cfg measure.Config) Input {
	in := Input{Task: job.Task, Questions: p.questions, Scripts: p.scripts, Categories: p.categories, Locale: p.locale, Profile: p.digest, Now: time.Now().UTC()}
	if job.Again != nil {
		return in
	}
	if t := job.Transcript; t != nil {
		in.Utterances, in.Language, in.NoSpeech, in.RoleSource = t.Utterances, t.Language, t.NoSpeech, t.RoleSource
		in.Sound, in.Metrics, in.Heard = t.Sound, t.Metrics, t.SpeechModel()
		if unmeasured(t.Metrics) {
			in.Metrics = measure.Conversation(cfg, t.Utterances, t.Sound.Marks, t.Task.Seconds)
			in.Metrics.Hold = nil // nobody listened for it
		}
		return in
	}
	in.Utterances, in.Language, in.RoleSource = job.Submitted.Utterances, job.Task.Language, schemas.RoleFromText
	in.Metrics = measure.Conversation(cfg, in.Utterances, nil, 0)
	for _, u := range in.Utterances { // who wrote an e-mail may be a guess
		if sure := u.RoleConfidence; sure != nil && (in.Sound.RoleConfidence == nil || *sure < *in.Sound.RoleConfidence) {
			in.Sound.RoleConfidence = sure
		}
	}
	return in
}

// unmeasured tells a transcript from before transcripts carried measures.
func unmeasured(m schemas.Metrics) bool {
	return m.Turns == 0 && m.Silence == nil && m.Hold == nil
}
