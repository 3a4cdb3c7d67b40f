//go:build whisper

package transcribe

/*
#include <whisper.h>
*/
import "C"

import (
	"fmt"
	"strings"

	whisper "github.com/ggerganov/whisper.cpp/bindings/go"
)

const withWhisper = true

// recogniser is one whisper.cpp context with its one state, for one goroutine.
// It is made of the official bindings' low level: the high one has no language
// detection of its own and cuts everything into single segments as soon as one
// asks it for progress.
type recogniser struct {
	ctx       *whisper.Context
	threads   int
	languages map[string]int
}

func openRecogniser(path string, threads int) (*recogniser, error) {
	ctx := whisper.Whisper_init(path)
	if ctx == nil {
		return nil, fmt.Errorf("whisper.cpp cannot load the model")
	}
	r := &recogniser{ctx: ctx, threads: threads, languages: map[string]int{}}
	if ctx.Whisper_is_multilingual() == 0 {
		r.languages["en"] = 0
		return r, nil
	}
	for id := range whisper.Whisper_lang_max_id() + 1 {
		r.languages[whisper.Whisper_lang_str(id)] = id
	}
	return r, nil
}

func (r *recogniser) close() { r.ctx.Whisper_free() }

func (r *recogniser) about() answer {
	a := answer{Engine: "whisper.cpp " + C.GoString(C.whisper_version()), Multilingual: r.ctx.Whisper_is_multilingual() != 0}
	for language := range r.languages {
		a.Languages = append(a.Languages, language)
	}
	return a
}

// language hears the first 30 s of samples.
func (r *recogniser) language(samples []float32) (string, float64, error) {
	if err := r.ctx.Whisper_pcm_to_mel(samples, r.threads); err != nil {
		return "", 0, err
	}
	probabilities, err := r.ctx.Whisper_lang_auto_detect(0, r.threads)
	if err != nil {
		return "", 0, err
	}
	best := 0
	for id, p := range probabilities {
		if p > probabilities[best] {
			best = id
		}
	}
	return whisper.Whisper_lang_str(best), float64(probabilities[best]), nil
}

// transcribe decodes greedily. alive is called before each 30 s; its error
// ends the work.
func (r *recogniser) transcribe(samples []float32, language string, alive func() error) ([]heard, error) {
	id, ok := r.languages[language]
	if !ok {
		return nil, fmt.Errorf("the model does not know the language %q", language)
	}
	params := r.ctx.Whisper_full_default_params(whisper.SAMPLING_GREEDY)
	params.SetThreads(r.threads)
	params.SetPrintProgress(false)
	params.SetPrintTimestamps(false)
	if err := params.SetLanguage(id); err != nil {
		return nil, err
	}
	var lost error
	err := r.ctx.Whisper_full(params, samples, func() bool {
		if lost == nil {
			lost = alive()
		}
		return lost == nil
	}, nil, nil)
	if lost != nil {
		err = lost
	}
	if err != nil {
		return nil, err
	}
	segments := make([]heard, r.ctx.Whisper_full_n_segments())
	for i := range segments {
		segments[i] = r.segment(i)
	}
	return segments, nil
}

func (r *recogniser) segment(i int) heard {
	h := heard{
		Start: float64(r.ctx.Whisper_full_get_segment_t0(i)) / 100,
		End:   float64(r.ctx.Whisper_full_get_segment_t1(i)) / 100,
		// A letter of several bytes may be cut in two by the end of a segment.
		Text: strings.ToValidUTF8(r.ctx.Whisper_full_get_segment_text(i), ""),
	}
	end := r.ctx.Whisper_token_eot()
	for j := range r.ctx.Whisper_full_n_tokens(i) {
		if r.ctx.Whisper_full_get_token_id(i, j) < end { // words; what follows are marks
			h.Confidence += float64(r.ctx.Whisper_full_get_token_p(i, j))
			h.Tokens++
		}
	}
	if h.Tokens > 0 {
		h.Confidence /= float64(h.Tokens)
	}
	return h
}
