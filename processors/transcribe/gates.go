package transcribe

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"regexp"
	"strings"

	"earshot/schemas"
)

// Gates through which a segment must pass. The first three are OpenAI's
// (whisper/transcribe.py: no_speech_threshold, logprob_threshold,
// compression_ratio_threshold); there the last two lead to a second try at a
// higher temperature, which the engine has made by then.
const (
	noSpeechMin   = 0.6  // probability of no speech from which a doubtful segment is none
	doubtful      = -1.0 // mean log probability
	guessing      = -1.8 // mean log probability of what is not worth reading
	ratioMax      = 2.4  // of the text's length to its deflated length
	ratioBytes    = 100  // shorter texts tell nothing
	loopWords     = 6    // the longest phrase that is looked for in a loop
	loopTimes     = 5    // so often in a row is a loop
	sameInARow    = 3    // so often in a row a segment of several words is a loop
	sameWordsMin  = 3
	boilerplateNo = 0.2 // known boilerplate is believed below this probability of no speech
)

// noise is a text of nothing but what Whisper writes for sounds: [BLANK_AUDIO],
// (music), *sighs*, ♪, and punctuation.
var noise = regexp.MustCompile(`^(?:\s|\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[\p{P}\p{S}])*$`)

var spaces = regexp.MustCompile(`[\s\p{Cc}]+`)

// clean is a segment's text as it is kept: one line, without the marks for silence.
func clean(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "[BLANK_AUDIO]", " ")
	return strings.TrimSpace(spaces.ReplaceAllString(text, " "))
}

//go:embed boilerplate.txt
var boilerplateText string

// boilerplate are whole segments that Whisper learnt from subtitles.
var boilerplate = phrases(boilerplateText)

// gate says why nobody is believed to have said a segment, "" when it passes.
// before are the texts of the segments before it on its channel.
func gate(s segment, voiced bool, before []string) string {
	said := words(s.Text)
	switch {
	case !voiced:
		return schemas.SuppressedNoSound
	case noise.MatchString(s.Text):
		return schemas.SuppressedNoSpeech
	case s.NoSpeech != nil && s.LogProb != nil && *s.NoSpeech > noSpeechMin && *s.LogProb < doubtful:
		return schemas.SuppressedNoSpeech
	case s.LogProb != nil && *s.LogProb < guessing:
		return schemas.SuppressedLogProb
	case boilerplate[said] && (s.NoSpeech == nil || *s.NoSpeech > boilerplateNo):
		return schemas.SuppressedBoilerplate
	case loops(said) || again(said, before):
		return schemas.SuppressedRepetition
	case ratio(s.Text) > ratioMax:
		return schemas.SuppressedEntropy
	}
	return ""
}

// loops says whether a phrase of up to loopWords words comes loopTimes in a
// row. A number may: "zero zero zero zero zero".
func loops(said string) bool {
	all := strings.Fields(said)
	for length := 1; length <= loopWords; length++ {
		same := 0 // words that equal the one a phrase before
		for i := length; i < len(all); i++ {
			if same++; all[i] != all[i-length] {
				same = 0
			}
			if same >= length*(loopTimes-1) && (length > 1 || !counts[all[i]]) {
				return true
			}
		}
	}
	return false
}

// counts are the words that people do say many times in a row.
var counts = map[string]bool{
	"zero": true, "oh": true, "one": true, "two": true, "three": true, "four": true, "five": true, "six": true, "seven": true, "eight": true, "nine": true,
	"ноль": true, "один": true, "два": true, "три": true, "четыре": true, "пять": true, "шесть": true, "семь": true, "восемь": true, "девять": true,
	"0": true, "1": true, "2": true, "3": true, "4": true, "5": true, "6": true, "7": true, "8": true, "9": true,
}

// again says whether the same was heard in the segments just before.
func again(said string, before []string) bool {
	if len(before) < sameInARow-1 || len(strings.Fields(said)) < sameWordsMin {
		return false
	}
	for _, b := range before[len(before)-(sameInARow-1):] {
		if b != said {
			return false
		}
	}
	return true
}

// ratio is how much shorter a text becomes by compression: a text that says
// the same again and again becomes much shorter.
func ratio(text string) float64 {
	if len(text) < ratioBytes {
		return 0
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return 0 // the level is a constant that exists
	}
	_, _ = w.Write([]byte(text)) // a bytes.Buffer takes everything
	_ = w.Close()
	return float64(len(text)) / float64(out.Len())
}
