package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"earshot/schemas"
)

// Bounds of a probe: what an honest recording needs many times over.
const (
	probeTime   = 20 * time.Second // wall and CPU
	probeMemory = 2 << 30          // bytes of address space
	probeOutput = 256 << 10        // bytes
)

// containers maps ffmpeg's names of what schemas.AudioFormats lets in to media
// types.
var containers = map[string]string{
	"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg", "flac": "audio/flac", "aac": "audio/aac",
	"amr": "audio/amr", "mov,mp4,m4a,3gp,3g2,mj2": "audio/mp4", "matroska,webm": "audio/webm",
}

// guessed are the containers that do not tell their length: what ffprobe says is
// the file's size by the bit rate of its beginning, which the rest need not have,
// or an MP3 header that anybody can write.
var guessed = map[string]bool{"mp3": true, "aac": true, "amr": true}

// magic says whether a file begins like a container we take: then a failure to
// read it means that it is broken (4026), else that it is something else (4025).
func magic(head []byte) bool {
	has := func(at int, s string) bool { return len(head) >= at+len(s) && string(head[at:at+len(s)]) == s }
	return has(0, "RIFF") || has(0, "RIFX") || has(0, "RF64") || has(0, "BW64") || has(0, "ID3") || has(0, "OggS") || has(0, "fLaC") || has(4, "ftyp") ||
		has(0, "\x1a\x45\xdf\xa3") || has(0, "#!AMR") || len(head) > 1 && head[0] == 0xFF && head[1]&0xE0 == 0xE0
}

type probed struct {
	Streams []struct {
		Type     string `json:"codec_type"`
		Bits     int64  `json:"bits_per_sample"` // 0 for what is compressed
		Rate     string `json:"sample_rate"`
		Channels int64  `json:"channels"`
		Duration string `json:"duration"`
	} `json:"streams"`
	Format struct {
		Name     string `json:"format_name"`
		Duration string `json:"duration"`
	} `json:"format"`
}

// Probe reads length, channels and format of a received recording with
// ffprobe: whitelisted containers and protocols only, bounded in time, memory
// and output. Errors: 4025 no container or codec that we take, 4026 it is one
// but broken, 4052 its length cannot be told, 4092 shorter than
// schemas.MinAudio or longer than schemas.MaxAudio; others are ours.
func (u *Upload) Probe(ctx context.Context) error {
	head, err := headOf(u.Path)
	if err != nil {
		return err
	}
	if err := schemas.CheckWAV(head); err != nil {
		return err
	}
	known := magic(head)
	out, err := tool(ctx, "ffprobe", "-v", "error", "-hide_banner", "-protocol_whitelist", "file,pipe", "-format_whitelist", schemas.AudioFormats,
		"-show_entries", "format=format_name,duration:stream=codec_type,sample_rate,channels,duration,bits_per_sample", "-of", "json", "-i", "file:"+u.Path)
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		if known {
			return schemas.Because(schemas.CodeUndecodable, err, "the file is damaged or cut off")
		}
		return schemas.Because(schemas.CodeBadFormat, err, "WAV, MP3, OGG, FLAC, M4A, AAC, AMR and WebM are taken")
	}
	if err != nil {
		return err
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil {
		return fmt.Errorf("read ffprobe's answer: %w", err)
	}
	return u.judge(ctx, p)
}

func headOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the received file: %w", err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, schemas.WAVHeaderBytes))
	if err != nil {
		return nil, fmt.Errorf("read the received file: %w", err)
	}
	return head, nil
}

// judge checks what ffprobe found. The first audio stream is the one that will
// be transcribed.
func (u *Upload) judge(ctx context.Context, p probed) error {
	u.ContentType = containers[p.Format.Name]
	if u.ContentType == "" {
		return schemas.Fail(schemas.CodeBadFormat, "container %s", CleanLine(p.Format.Name, 64))
	}
	for _, s := range p.Streams {
		if s.Type != "audio" {
			continue
		}
		rate, err := strconv.Atoi(s.Rate)
		if err != nil || rate < schemas.MinSampleRate || rate > schemas.MaxSampleRate {
			return schemas.Fail(schemas.CodeBadFormat, "sample rate of %s Hz, %d to %d are taken", CleanLine(s.Rate, 16), schemas.MinSampleRate, schemas.MaxSampleRate)
		}
		if s.Channels < 1 || s.Channels > schemas.MaxChannels {
			return schemas.Fail(schemas.CodeBadFormat, "%d channels, 1 to %d are taken", s.Channels, schemas.MaxChannels)
		}
		u.Channels = s.Channels
		if !guessed[p.Format.Name] {
			u.Seconds = cmp.Or(seconds(s.Duration), seconds(p.Format.Duration))
		}
		if u.Seconds <= schemas.MaxAudio.Seconds() && !u.filledBy(u.Seconds*float64(int64(rate)*s.Channels*s.Bits/8)) {
			if err := u.remeasure(ctx); err != nil {
				return err
			}
		}
		return u.checkLength()
	}
	return schemas.Fail(schemas.CodeBadFormat, "the file has no audio in it")
}

// filledBy says whether samples of so many bytes are all that a file has room
// for: then its length need not be measured. Other chunks of a WAV file have room
// in a tenth of it.
func (u *Upload) filledBy(samples float64) bool {
	info, err := os.Stat(u.Path)
	return err == nil && samples > 0 && samples > 0.9*float64(info.Size())-4096
}

// remeasure puts what a file holds in place of the length that its header
// claims: that decides what is paid for, and anybody can write it. Errors: those
// of measure, and 4026 where much is missing.
func (u *Upload) remeasure(ctx context.Context) error {
	held, err := measure(ctx, u.Path)
	if err != nil {
		return err
	}
	if claimed := u.Seconds; held < 0.9*claimed-1 {
		return schemas.Fail(schemas.CodeUndecodable, "the file is cut off: it holds %.0f of %.0f seconds; upload it whole", held, claimed)
	}
	u.Seconds = held
	return nil
}

func (u *Upload) checkLength() error {
	switch {
	case u.Seconds < schemas.MinAudio.Seconds():
		return schemas.Fail(schemas.CodeBadLength, "%.1f seconds, at least %.0f are needed", u.Seconds, schemas.MinAudio.Seconds())
	case u.Seconds > schemas.MaxAudio.Seconds():
		return schemas.Fail(schemas.CodeBadLength, "%.1f hours, at most %.0f are taken", u.Seconds/3600, schemas.MaxAudio.Hours())
	}
	return nil
}

// seconds is 0 for "N/A", nothing and nonsense.
func seconds(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0
	}
	return v
}

// measure reads the packets of a file whose header does not tell its length
// (browsers record WebM so), without decoding them. 4052 when that tells
// nothing either, or not within the bounds of a probe.
func measure(ctx context.Context, path string) (float64, error) {
	limit := strconv.Itoa(int(schemas.MaxAudio.Seconds()) + 1)
	out, err := tool(ctx, "ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist", schemas.AudioFormats,
		"-i", "file:"+path, "-map", "0:a:0", "-vn", "-sn", "-dn", "-c", "copy", "-t", limit, "-stats_period", "5", "-progress", "pipe:1", "-f", "null", "-")
	failed := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &failed) {
		return 0, err
	}
	if failed != nil && !failed.Exited() { // killed: what it had read by then is not the length
		return 0, schemas.Because(schemas.CodeNoDuration, err, "it takes too long to measure")
	}
	last := 0.0
	for line := range strings.SplitSeq(string(out), "\n") {
		if v, ok := strings.CutPrefix(line, "out_time_us="); ok {
			last = max(last, seconds(v)/1e6)
		}
	}
	if last == 0 {
		return 0, schemas.Because(schemas.CodeNoDuration, err, "")
	}
	return last, nil
}

// errNoTool says how to get ffmpeg.
var errNoTool = errors.New("ffmpeg and ffprobe are needed to take recordings; `make demo` installs them, or: apt-get install ffmpeg")

// tool runs a program of ffmpeg on a hostile file: no input, no environment, a
// process group of its own that is killed as one, bounded time, memory and
// output. A program that fails or is killed by a bound gives *exec.ExitError.
func tool(ctx context.Context, program string, args ...string) ([]byte, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, schemas.Because(schemas.CodeUnavailable, errNoTool, "")
	}
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out, complaint bounded
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	for resource, limit := range map[int]uint64{unix.RLIMIT_AS: probeMemory, unix.RLIMIT_CPU: uint64(probeTime.Seconds()), unix.RLIMIT_CORE: 0} {
		bound := unix.Rlimit{Cur: limit, Max: limit}
		if err := unix.Prlimit(cmd.Process.Pid, resource, &bound, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return nil, errors.Join(fmt.Errorf("bound %s: %w", program, err), cmd.Cancel(), cmd.Wait())
		}
	}
	err = cmd.Wait()
	if parent.Err() != nil {
		return nil, schemas.Because(schemas.CodeUnavailable, parent.Err(), "")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", program, err, CleanLine(complaint.String(), 300))
	}
	return out.Bytes(), err
}

// bounded keeps the first probeOutput bytes written to it.
type bounded struct{ bytes.Buffer }

// Write never fails: a program that says too much is cut off, not broken.
func (b *bounded) Write(p []byte) (int, error) {
	if room := probeOutput - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
