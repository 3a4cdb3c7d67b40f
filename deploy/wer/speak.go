package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	spokenRate = 22050 // of espeak-ng's output, in Hz
	wavHeader  = 44    // bytes
)

// speak has each voice say its part of the sentences and gives the calls, of
// perCall sentences each. A call is 8 kHz mu-law, 300 to 3400 Hz, with a hiss
// 45 dB below its loudest sample. The same text gives the same calls.
func speak(ctx context.Context, text, folder string) (calls []recording, err error) {
	raw, err := os.ReadFile(text)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	rng := rand.New(rand.NewPCG(3, 2026))
	for v, voice := range voices {
		var said []string
		for i := v; i < len(lines); i += len(voices) {
			said = append(said, lines[i])
		}
		for n := 0; n < len(said); n += perCall {
			part := said[n:min(n+perCall, len(said))]
			path := filepath.Join(folder, fmt.Sprintf("%s-%02d.wav", voice, n/perCall))
			if err := call(ctx, rng, voice, part, path); err != nil {
				return nil, err
			}
			calls = append(calls, recording{group: voice, path: path, said: strings.Join(part, " ")})
		}
	}
	return calls, nil
}

func call(ctx context.Context, rng *rand.Rand, voice string, sentences []string, path string) error {
	rate, pitch := fmt.Sprint(150+rng.IntN(31)), fmt.Sprint(40+rng.IntN(21))
	sound := make([]int16, spokenRate/2)
	for _, text := range sentences {
		wav, err := output(exec.CommandContext(ctx, "espeak-ng", "-v", voice, "-s", rate, "-p", pitch, "--stdout", "--", text))
		if err != nil {
			return err
		}
		if len(wav) < wavHeader {
			return fmt.Errorf("espeak-ng says nothing in the voice %s", voice)
		}
		for at := wavHeader; at+1 < len(wav); at += 2 {
			sound = append(sound, int16(binary.LittleEndian.Uint16(wav[at:])))
		}
		sound = append(sound, make([]int16, spokenRate*(200+rng.IntN(600))/1000)...)
	}
	hiss(rng, sound)
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, sound); err != nil {
		return err
	}
	telephone := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "s16le", "-ar", fmt.Sprint(spokenRate), "-ac", "1",
		"-i", "pipe:0", "-af", "highpass=f=300,lowpass=f=3400,volume=0.7", "-ar", "8000", "-c:a", "pcm_mulaw", path)
	telephone.Stdin = &raw
	_, err := output(telephone)
	return err
}

// hiss adds white noise 45 dB below the loudest sample.
func hiss(rng *rand.Rand, sound []int16) {
	peak := 0.0
	for _, s := range sound {
		peak = max(peak, math.Abs(float64(s)))
	}
	for i, s := range sound {
		sound[i] = int16(max(math.MinInt16, min(math.MaxInt16, float64(s)+peak*math.Pow(10, -45.0/20)*rng.NormFloat64())))
	}
}
