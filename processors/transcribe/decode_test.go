package transcribe

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"earshot/schemas"
)

// pitch counts how often samples rise through zero, a second.
func pitch(samples []int16) float64 {
	n := 0
	for i := 1; i < len(samples); i++ {
		if samples[i-1] < 0 && samples[i] >= 0 {
			n++
		}
	}
	return float64(n) * rate / float64(len(samples))
}

// Each channel comes apart, at its own pitch, behind its own leading silence,
// whatever it was packed in.
func TestDecodeFormats(t *testing.T) {
	left := slices.Concat(silence(1, 8000), tone(300, 2, 8000))
	right := slices.Concat(silence(0.5, 8000), tone(700, 2.5, 8000))
	stereo, mono := wavFile(t, 8000, left, right), wavFile(t, 8000, left)
	tests := []struct {
		name   string
		path   string
		stereo bool
	}{
		{"WAV stereo", stereo, true},
		{"WAV mono", mono, false},
		{"mu-law", encoded(t, "a.wav", "-i", stereo, "-c:a", "pcm_mulaw"), true},
		{"A-law", encoded(t, "a.wav", "-i", mono, "-c:a", "pcm_alaw"), false},
		{"GSM", encoded(t, "a.wav", "-i", mono, "-c:a", "libgsm_ms"), false},
		{"24 bit at 48 kHz", encoded(t, "a.wav", "-i", stereo, "-c:a", "pcm_s24le", "-ar", "48000"), true},
		{"MP3", encoded(t, "a.mp3", "-i", mono, "-ar", "16000"), false},
		{"MP3 stereo", encoded(t, "a.mp3", "-i", stereo, "-ar", "44100"), true},
		{"Opus", encoded(t, "a.ogg", "-i", stereo, "-c:a", "libopus", "-mapping_family", "255"), true},
		{"Vorbis", encoded(t, "a.ogg", "-i", stereo, "-c:a", "libvorbis", "-ar", "22050"), true},
		{"FLAC", encoded(t, "a.flac", "-i", stereo), true},
		{"M4A", encoded(t, "a.m4a", "-i", mono, "-ar", "44100"), false},
		{"AAC", encoded(t, "a.aac", "-i", mono, "-ar", "16000"), false},
		{"WebM", encoded(t, "a.webm", "-i", mono, "-c:a", "libopus"), false},
		{"MP4 with pictures", encoded(t, "a.mp4", "-f", "lavfi", "-i", "testsrc=size=64x64:d=3", "-i", mono, "-ar", "16000"), false},
		{"a name that lies", encoded(t, "a.mp3", "-i", stereo, "-f", "wav"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := decode(t.Context(), testConfig(), tt.path, quietLog)
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			channels, _, err := collect(r, rate)
			if err != nil {
				t.Fatal(err)
			}
			wantBegin, wantPitch := []float64{1, 0.5}, []float64{300, 700}
			if len(channels) == 2 != tt.stereo {
				t.Fatalf("%d channels", len(channels))
			}
			for c, samples := range channels {
				if seconds := float64(len(samples)) / rate; math.Abs(seconds-3) > 0.2 {
					t.Errorf("channel %d has %.2f s, want 3", c, seconds)
				}
				begin := float64(slices.IndexFunc(samples, func(s int16) bool { return s > 1000 })) / rate
				if math.Abs(begin-wantBegin[c]) > 0.15 {
					t.Errorf("channel %d begins at %.2f s, want %.2f", c, begin, wantBegin[c])
				}
				if got := pitch(samples[rate*3/2 : rate*5/2]); math.Abs(got-wantPitch[c]) > 20 {
					t.Errorf("channel %d has %.0f Hz, want %.0f", c, got, wantPitch[c])
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	secret := wavFile(t, 8000, tone(300, 3, 8000))
	m4a := encoded(t, "a.m4a", "-i", secret, "-ar", "44100")
	patched := func(at int, v uint16) string { // of the WAV header
		b, err := os.ReadFile(secret)
		if err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint16(b[at:], v)
		return file(t, "patched.wav", b)
	}
	tests := []struct {
		name string
		path string
		want schemas.Code // 0 = ours
	}{
		{"HLS named MP3", file(t, "a.mp3", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://"+secret+"\n")), schemas.CodeBadFormat},
		{"HLS on the network", file(t, "a.mp3", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:1/a.wav\n")), schemas.CodeBadFormat},
		{"ffconcat", file(t, "a.wav", []byte("ffconcat version 1.0\nfile '"+secret+"'\n")), schemas.CodeBadFormat},
		{"1 Hz", patched(24, 1), schemas.CodeBadFormat},
		{"255 channels", patched(22, 255), schemas.CodeBadFormat},
		{"no channel", patched(22, 0), schemas.CodeBadFormat},
		{"10 Hz in a container that is not WAV", encoded(t, "a.mkv", "-f", "s16le", "-ar", "10", "-ac", "1", "-i", secret, "-c:a", "copy"), schemas.CodeBadLength},
		{"pictures only", encoded(t, "a.mp4", "-f", "lavfi", "-i", "testsrc=size=64x64:d=1"), schemas.CodeBadFormat},
		{"a picture", encoded(t, "a.png", "-f", "lavfi", "-i", "testsrc=size=64x64", "-frames:v", "1"), schemas.CodeBadFormat},
		{"empty", file(t, "a.wav", nil), schemas.CodeUndecodable},
		{"text", file(t, "a.wav", []byte(strings.Repeat("This is no recording.\n", 1000))), schemas.CodeUndecodable},
		{"WAV cut in its header", head(t, secret, 30), schemas.CodeUndecodable},
		{"WAV without samples", head(t, secret, 44), schemas.CodeUndecodable},
		{"M4A without its index", head(t, m4a, 2000), schemas.CodeUndecodable},
		{"longer than allowed", wavFile(t, 8000, silence(11, 8000)), schemas.CodeBadLength},
		{"an hour of nothing in 100 KB", encoded(t, "a.flac", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=3600"), schemas.CodeBadLength},
		{"not there", filepath.Join(t.TempDir(), "a.wav"), 0},
	}
	cfg := testConfig()
	cfg.Longest = 10 * time.Second
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := decode(t.Context(), cfg, tt.path, quietLog)
			if err == nil {
				defer r.close()
				_, _, err = collect(r, rate)
			}
			wantCode(t, err, tt.want)
			if fault, ok := schemas.RecordFault(err); ok && strings.Contains(fault.Message("en"), filepath.Dir(tt.path)) {
				t.Errorf("a client would see a path of ours: %s", fault.Message("en"))
			}
		})
	}
}

// Memory is that of the windows, not of the recording.
func TestDecodeInBoundedMemory(t *testing.T) {
	const seconds = 3600
	path := encoded(t, "a.flac", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=stereo:d=3600")
	r, err := decode(t.Context(), testConfig(), path, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for err == nil {
		_, err = r.next(30 * rate)
	}
	runtime.ReadMemStats(&after)
	if got := r.seconds(); got != seconds {
		t.Errorf("decoded %.0f s, want %d (%v)", got, seconds, err)
	}
	// Everything that was ever allocated, garbage too; the samples are 230 MB.
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("an hour took %d MB", grown>>20)
	}
}

func TestDecoderOfOurs(t *testing.T) {
	path := wavFile(t, 8000, silence(60, 8000))
	t.Run("no ffmpeg", func(t *testing.T) {
		cfg := testConfig()
		cfg.FFmpeg = "/nowhere/ffmpeg"
		_, err := decode(t.Context(), cfg, path, quietLog)
		wantCode(t, err, 0)
	})
	t.Run("killed", func(t *testing.T) {
		r, err := decode(t.Context(), testConfig(), path, quietLog)
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		if err := r.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, _, err = collect(r, rate)
		wantCode(t, err, 0)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := decode(ctx, testConfig(), path, quietLog)
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		cancel()
		if _, _, err = collect(r, rate); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("hung, with a process of its own", func(t *testing.T) {
		cfg := testConfig()
		cfg.FFmpeg = file(t, "ffmpeg", []byte("#!/bin/sh\nsleep 1000 &\nwait\n"))
		if err := os.Chmod(cfg.FFmpeg, 0o700); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := decode(ctx, cfg, path, quietLog); ended <- err }()
		var group int
		await(t, "the decoder and what it started", func() bool {
			for _, p := range processes(t) {
				if p.parent == os.Getpid() && p.group == p.pid {
					group = p.pid
				}
			}
			return len(inGroup(t, group)) == 2
		})
		cancel(errStalled)
		if err := <-ended; !errors.Is(err, errStalled) {
			t.Errorf("got %v", err)
		}
		await(t, "both to end", func() bool { return len(inGroup(t, group)) == 0 })
	})
	t.Run("given up half way", func(t *testing.T) {
		r, err := decode(t.Context(), testConfig(), path, quietLog)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.next(rate); err != nil {
			t.Fatal(err)
		}
		r.close()
		if r.cmd.ProcessState == nil {
			t.Error("ffmpeg still runs")
		}
	})
}
