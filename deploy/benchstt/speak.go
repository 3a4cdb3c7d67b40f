package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"earshot/processors/transcribe/speech"
)

// call is a recording and what is said in it.
type call struct {
	path    string
	samples []int16
	text    string
}

// speakers of a call take turns. They are voices that the model that ships was
// not trained on, see deploy/wer.
var speakers = []string{"en-us+f5", "en-gb-x-gbclan+m1"}

// speaker speaks calls. The same seed says the same.
type speaker struct {
	random    *rand.Rand
	sentences []string
	folder    string
	spoken    map[string][]int16
}

func newSpeaker(path, folder string, seed uint64) (*speaker, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &speaker{random: rand.New(rand.NewPCG(seed, 2026)), folder: folder, spoken: map[string][]int16{},
		sentences: strings.Split(strings.TrimSpace(string(raw)), "\n")}
	return s, nil
}

// call is a recording of about so many seconds, mono, 16 kHz, of which silent
// (0 to 1) is silence in long pauses; between sentences there are short ones.
func (s *speaker) call(ctx context.Context, name string, seconds, silent float64) (call, error) {
	var samples []int16
	var said []string
	pauses := 0.0 // seconds
	for turn := 0; float64(len(samples))/speech.Rate < seconds; turn++ {
		sentence := s.sentences[s.random.IntN(len(s.sentences))]
		sound, err := s.say(ctx, speakers[turn/3%len(speakers)], sentence)
		if err != nil {
			return call{}, err
		}
		said = append(said, sentence)
		samples = append(samples, sound...)
		pause := 0.2 + 0.3*s.random.Float64()
		if owed := silent*float64(len(samples))/speech.Rate - pauses; silent > 0 && owed > 4+8*s.random.Float64() {
			pause = owed / (1 - silent) // it makes the call longer itself
		}
		pauses += pause
		samples = append(samples, make([]int16, int(pause*speech.Rate))...)
	}
	for i := range samples { // a line hisses
		samples[i] = samples[i]/2 + int16(4*s.random.NormFloat64())
	}
	c := call{path: filepath.Join(s.folder, name+".wav"), samples: samples, text: strings.Join(said, " ")}
	return c, os.WriteFile(c.path, wav(samples), 0o644)
}

// say is a sentence in a voice, without the silence around it.
func (s *speaker) say(ctx context.Context, voice, sentence string) ([]int16, error) {
	if sound := s.spoken[voice+sentence]; sound != nil {
		return sound, nil
	}
	spoken, err := exec.CommandContext(ctx, "espeak-ng", "-v", voice, "-s", "165", "--stdout", "--", sentence).Output()
	if err != nil {
		return nil, fmt.Errorf("espeak-ng: %w (make setup installs it)", err)
	}
	convert := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-i", "pipe:0", "-ar", fmt.Sprint(speech.Rate), "-ac", "1", "-f", "s16le", "pipe:1")
	convert.Stdin = bytes.NewReader(spoken)
	raw, err := convert.Output()
	if err != nil {
		return nil, fmt.Errorf("ffmpeg: %w", err)
	}
	sound := make([]int16, len(raw)/2)
	for i := range sound {
		sound[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	const quiet = 100
	for len(sound) > 0 && sound[0] > -quiet && sound[0] < quiet {
		sound = sound[1:]
	}
	for n := len(sound); n > 0 && sound[n-1] > -quiet && sound[n-1] < quiet; n-- {
		sound = sound[:n-1]
	}
	s.spoken[voice+sentence] = sound
	return sound, nil
}

// wav is a file of 16 bit PCM, mono, 16 kHz.
func wav(samples []int16) []byte {
	size := uint32(2 * len(samples))
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), 36+size)
	b = binary.LittleEndian.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, speech.Rate)
	b = binary.LittleEndian.AppendUint32(b, 2*speech.Rate)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), size)
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

var word = regexp.MustCompile(`[a-z0-9']+`)

// wordsOf are what is compared: lower case, without punctuation.
func wordsOf(text string) []string { return word.FindAllString(strings.ToLower(text), -1) }

// wrong is the least number of words put in, left out or exchanged that makes
// heard of said (Levenshtein).
func wrong(said, heard []string) int {
	row := make([]int, len(heard)+1)
	for j := range row {
		row[j] = j
	}
	for i, a := range said {
		diagonal := row[0]
		row[0] = i + 1
		for j, b := range heard {
			change := diagonal
			if a != b {
				change++
			}
			diagonal, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(heard)]
}
