//go:build whisper

package whisper

/*
#include <stdlib.h>
#include <whisper.h>

extern void windowBegins(uintptr_t handle);
extern void logitsComputed(uintptr_t handle, int tokens);
extern bool isCancelled(uintptr_t handle);

static bool encoder_begin(struct whisper_context * ctx, struct whisper_state * state, void * data) {
	windowBegins((uintptr_t) data);
	return !isCancelled((uintptr_t) data);
}

static void logits_filter(struct whisper_context * ctx, struct whisper_state * state, const whisper_token_data * tokens,
                          int n_tokens, float * logits, void * data) {
	if (n_tokens == 0) logitsComputed((uintptr_t) data, n_tokens);
}

static bool aborted(void * data) { return isCancelled((uintptr_t) data); }

static void watch_params(struct whisper_full_params * params, uintptr_t handle) {
	params->encoder_begin_callback = encoder_begin;
	params->encoder_begin_callback_user_data = (void *) handle;
	params->logits_filter_callback = logits_filter;
	params->logits_filter_callback_user_data = (void *) handle;
	params->abort_callback = aborted;
	params->abort_callback_user_data = (void *) handle;
}

static int gpus(void) {
	int n = 0;
	for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
		enum ggml_backend_dev_type type = ggml_backend_dev_type(ggml_backend_dev_get(i));
		n += type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
	}
	return n;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"runtime/cgo"
	"runtime/debug"
	"slices"
	"strings"
	"unsafe"

	whisper "github.com/ggerganov/whisper.cpp/bindings/go"

	"earshot/processors/transcribe/speech"
)

const withWhisper = true

// model is one whisper.cpp context: the weights, once, and no state. The
// official bindings are the base: what links, and what needs no state. They
// have neither states nor the choice of a GPU or of flash attention, their
// callbacks are kept in maps without a lock, and one of them cuts everything
// into single segments.
type model struct {
	ctx      *C.struct_whisper_context
	base     *whisper.Context // the same
	activity string           // path of the Silero model, or ""
	brief    bool             // the model that ships: trained on single sentences without what is silent behind them
	ids      map[string]int   // of languages
}

func openModel(q question, embedded []byte) (*model, error) {
	params := C.whisper_context_default_params()
	gpus := int(C.gpus())
	if q.GPU == on && gpus == 0 {
		return nil, errors.New("there is no GPU that this program is built for (make whisper CUDA=1); set EARSHOT_WHISPER_GPU to auto")
	}
	params.use_gpu = C.bool(q.GPU != off && gpus > 0)
	params.flash_attn = C.bool(q.Flash == on || q.Flash != off && bool(params.use_gpu))
	var ctx *C.struct_whisper_context
	switch {
	case q.Model != "":
		path := C.CString(q.Model)
		defer C.free(unsafe.Pointer(path))
		ctx = C.whisper_init_from_file_with_params_no_state(path, params)
	case len(embedded) > 0: // it is copied out of the buffer
		ctx = C.whisper_init_from_buffer_with_params_no_state(unsafe.Pointer(&embedded[0]), C.size_t(len(embedded)), params)
	default:
		return nil, errors.New("no model is embedded in this program")
	}
	if ctx == nil {
		return nil, errors.New("whisper.cpp cannot load the model")
	}
	m := &model{ctx: ctx, base: (*whisper.Context)(unsafe.Pointer(ctx)), activity: q.Activity, brief: q.Model == "", ids: map[string]int{}}
	if m.base.Whisper_is_multilingual() == 0 {
		m.ids["en"] = 0
		return m, nil
	}
	for id := range whisper.Whisper_lang_max_id() + 1 {
		m.ids[whisper.Whisper_lang_str(id)] = id
	}
	return m, nil
}

func (m *model) engine() string { return "whisper.cpp " + C.GoString(C.whisper_version()) }

func (m *model) languages() (all []string) {
	for language := range m.ids {
		all = append(all, language)
	}
	slices.Sort(all)
	return all
}

// state is what one thread of work needs beside the weights.
type state struct {
	model *model
	state *C.struct_whisper_state       // nil until it is needed
	vad   *C.struct_whisper_vad_context // nil until it is needed
}

func (m *model) newState() *state { return &state{model: m} }

func (s *state) ready() error {
	if s.state == nil {
		s.state = C.whisper_init_state(s.model.ctx)
	}
	if s.state == nil {
		return errors.New("whisper.cpp has no room for another state")
	}
	return nil
}

// renew has the next question begin with a new state. At a temperature above 0
// words are drawn by lot, and the state's random numbers go on from question to
// question: what a recording says must not depend on the one before.
func (s *state) renew() {
	C.whisper_free_state(s.state)
	s.state = nil
}

// code is whisper.cpp's result as an error.
func code(what string, result C.int) error {
	if result == 0 {
		return nil
	}
	return fmt.Errorf("whisper.cpp: %s: %d", what, result)
}

// mel computes the spectrogram of samples into the state.
func (s *state) mel(samples []float32, threads int) error {
	if err := s.ready(); err != nil {
		return err
	}
	for len(samples) < shortest {
		samples = append(samples, 0)
	}
	return code("spectrogram", C.whisper_pcm_to_mel_with_state(s.model.ctx, s.state, (*C.float)(&samples[0]), C.int(len(samples)), C.int(threads)))
}

// shortest is the least that whisper.cpp is given: it reads 201 samples of
// whatever it gets, and leaves out a last tenth of a second.
const shortest = 1.1 * speech.Rate

// language hears the first 30 s of samples.
func (s *state) language(samples []float32, threads int) (string, float64, error) {
	if err := s.mel(samples, threads); err != nil {
		return "", 0, err
	}
	return s.detect(threads)
}

func (s *state) detect(threads int) (string, float64, error) {
	if len(s.model.ids) == 1 {
		return "en", 1, nil
	}
	probabilities := make([]C.float, whisper.Whisper_lang_max_id()+1)
	id := C.whisper_lang_auto_detect_with_state(s.model.ctx, s.state, 0, C.int(threads), &probabilities[0])
	if id < 0 {
		return "", 0, code("language", id)
	}
	return whisper.Whisper_lang_str(int(id)), float64(probabilities[id]), nil
}

// Measures of Whisper's encoder: a frame is 20 ms, and there are 30 s of them.
// A model that hears single sentences need not look at the silence behind.
const (
	audioFrame  = speech.Rate / 50
	audioFrames = 1500
	audioMargin = 50
)

// hear decodes greedily; every 30 s are a window.
func (s *state) hear(q *asked, w watch) (language string, segments []speech.Segment, err error) {
	sound, frames := loudnessOf(q.samples), len(q.samples)/audioFrame
	if err := s.mel(q.samples, q.Threads); err != nil {
		return "", nil, err
	}
	if q.samples = nil; len(sound) > 60*loudnessRate {
		debug.FreeOSMemory() // a window of a long recording is 50 MB, for minutes
	}
	if language = q.Language; language == "" {
		if language, _, err = s.detect(q.Threads); err != nil {
			return "", nil, err
		}
	}
	if _, ok := s.model.ids[language]; !ok {
		return "", nil, fmt.Errorf("the model does not know the language %q", language)
	}
	var free []*C.char
	text := func(v string) *C.char {
		free = append(free, C.CString(v))
		return free[len(free)-1]
	}
	defer func() {
		for _, p := range free {
			C.free(unsafe.Pointer(p))
		}
	}()
	params := C.whisper_full_default_params(C.WHISPER_SAMPLING_GREEDY)
	params.n_threads = C.int(q.Threads)
	params.print_progress, params.print_timestamps = false, false
	params.language = text(language)
	if q.Prompt != "" {
		params.initial_prompt, params.carry_initial_prompt = text(q.Prompt), true
	}
	if s.model.brief {
		params.audio_ctx = C.int(min(frames+audioMargin, audioFrames))
	}
	h := &hearing{watch: w, state: s}
	handle := cgo.NewHandle(h)
	defer handle.Delete()
	C.watch_params(&params, C.uintptr_t(handle))
	// No samples: the spectrogram is there.
	result := C.whisper_full_with_state(s.model.ctx, s.state, params, nil, 0)
	if slices.ContainsFunc(h.windows, func(w heardWindow) bool { return w.tries > 1 }) {
		defer s.renew()
	}
	if w.cancelled() {
		return "", nil, errors.New("cancelled")
	}
	if err := code("transcription", result); err != nil {
		return "", nil, err
	}
	return language, h.segments(language, sound), nil
}

// hearing follows one call of whisper_full.
type hearing struct {
	watch
	state   *state
	windows []heardWindow
}

// heardWindow is what is known of one encoded window.
type heardWindow struct {
	first int     // segment
	tries int     // at rising temperatures
	start float64 // seconds of the Ask
}

func following(handle C.uintptr_t) *hearing { return cgo.Handle(handle).Value().(*hearing) }

//export windowBegins
func windowBegins(handle C.uintptr_t) {
	h := following(handle)
	h.windows = append(h.windows, heardWindow{first: int(C.whisper_full_n_segments_from_state(h.state.state))})
	h.window()
}

//export logitsComputed
func logitsComputed(handle C.uintptr_t, _ C.int) {
	h := following(handle)
	if n := len(h.windows); n > 0 {
		h.windows[n-1].tries++
	}
}

//export isCancelled
func isCancelled(handle C.uintptr_t) C.bool { return C.bool(following(handle).cancelled()) }

// temperatureStep is whisper.cpp's default: 0, then 0.2 more for each try.
const temperatureStep = 0.2

func (h *hearing) segments(language string, sound loudness) []speech.Segment {
	all := make([]speech.Segment, C.whisper_full_n_segments_from_state(h.state.state))
	window := 0
	for i := range all {
		begins := i == 0
		for window+1 < len(h.windows) && h.windows[window+1].first <= i {
			window++
			begins = true
		}
		w := &h.windows[window]
		temperature := temperatureStep * float64(max(0, w.tries-1))
		all[i] = h.segment(C.int(i), w, begins, language, sound)
		all[i].Temperature = &temperature
	}
	return all
}

// segment is one of a window; the first of a window says when that begins.
func (h *hearing) segment(i C.int, w *heardWindow, first bool, language string, sound loudness) speech.Segment {
	ctx, st := h.state.model.ctx, h.state.state
	noSpeech := float64(C.whisper_full_get_segment_no_speech_prob_from_state(st, i))
	start, length := float64(C.whisper_full_get_segment_t0_from_state(st, i))/100, float64(len(sound))/loudnessRate
	s := speech.Segment{
		Start: min(max(0, start), length),
		End:   float64(C.whisper_full_get_segment_t1_from_state(st, i)) / 100,
		// A letter of several bytes may be cut in two by the end of a segment.
		Text:     strings.ToValidUTF8(C.GoString(C.whisper_full_get_segment_text_from_state(st, i)), ""),
		NoSpeech: &noSpeech,
	}
	s.End = min(max(s.Start, s.End), length)
	end, zero := C.whisper_token_eot(ctx), C.whisper_token_beg(ctx)
	var tokens []token
	var p, logs float64
	for j := range C.whisper_full_n_tokens_from_state(st, i) {
		data := C.whisper_full_get_token_data_from_state(st, i, j)
		if first && j == 0 {
			w.start = start - tick*float64(data.tid-zero)
		}
		if data.id >= end { // marks, no text
			continue
		}
		t := token{text: C.GoString(C.whisper_token_to_str(ctx, data.id)), p: float64(data.p), hint: math.NaN()}
		if data.pt > leastHint && data.ptsum > leastHint {
			t.hint = w.start + tick*float64(data.tid-zero)
		}
		tokens = append(tokens, t)
		p += t.p
		logs += max(float64(data.plog), -math.MaxFloat32)
	}
	if s.Tokens = len(tokens); s.Tokens > 0 {
		p, logs = p/float64(s.Tokens), logs/float64(s.Tokens)
		s.Confidence, s.LogProb = &p, &logs
	}
	s.Words = words(tokens, s.Start, s.End, language, sound)
	return s
}

const (
	tick      = 0.02 // seconds of a timestamp token
	leastHint = 0.01 // probability from which a timestamp that was not written counts, as in whisper.cpp
)

// activity is Silero's probability of speech for each 512 samples.
func (s *state) activity(samples []float32) ([]float32, error) {
	if s.vad == nil {
		path := C.CString(s.model.activity)
		defer C.free(unsafe.Pointer(path))
		params := C.whisper_vad_default_context_params()
		params.n_threads = 1 // it is small: more would only wait for each other
		if s.vad = C.whisper_vad_init_from_file_with_params(path, params); s.vad == nil {
			return nil, errors.New("whisper.cpp cannot load the Silero model")
		}
	}
	if !C.whisper_vad_detect_speech(s.vad, (*C.float)(&samples[0]), C.int(len(samples))) {
		return nil, errors.New("whisper.cpp: voice activity failed")
	}
	n := int(C.whisper_vad_n_probs(s.vad))
	return slices.Clone(unsafe.Slice((*float32)(unsafe.Pointer(C.whisper_vad_probs(s.vad))), n)), nil
}
