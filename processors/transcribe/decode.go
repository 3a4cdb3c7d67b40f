package transcribe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"earshot/processors/transcribe/speech"
	"earshot/processors/transcribe/stderr"
	"earshot/schemas"
)

// rate is what Whisper hears, samples a second.
const rate = speech.Rate

// Bounds of the decoder beyond those of Config.
const (
	decodeStall = 2 * time.Minute // wall time for one window: hours of silence decode in seconds
	decodeCPU   = 30 * 60         // seconds of CPU for one recording
	auHeaderMax = 4 << 10
)

// recording is an audio file on its way through ffmpeg, taken window by window.
// Memory is two windows of sixteen bit samples at most, however long it is.
type recording struct {
	channels int
	ctx      context.Context
	cancel   context.CancelCauseFunc
	cmd      *exec.Cmd
	out      *bufio.Reader
	said     *stderr.Tail
	longest  int64 // samples of a channel
	raw      []byte

	buffer [][]int16 // by channel
	filled int       // samples in each
	used   int       // of them given out with the last window
	from   int64     // sample of the recording at which the buffer begins
	ended  bool
}

var errStalled = errors.New("ffmpeg gave no samples for " + decodeStall.String())

// arguments of ffmpeg for a hostile file. The container whitelist is the guard
// against playlists that read other files, the protocol whitelist against the
// network; -t, -fs and -max_alloc bound what a small file may blow up to. The
// resampler fills gaps in the time stamps (pauses that were never sent, a
// stream that begins late) with silence, so that sample n is second n/16000.
// AU is the one simple container whose header tells the channels to a pipe.
func arguments(path string, longest time.Duration) []string {
	seconds := int(longest.Seconds()) + 1 // a second more shows that it is too long
	return []string{"-nostdin", "-hide_banner", "-v", "error", "-max_alloc", strconv.Itoa(256 << 20),
		"-protocol_whitelist", "file,pipe", "-format_whitelist", schemas.AudioFormats, "-i", "file:" + path,
		"-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-threads", "1",
		"-t", strconv.Itoa(seconds), "-af", "aresample=" + strconv.Itoa(rate) + ":async=1:first_pts=0",
		"-c:a", "pcm_s16be", "-fs", strconv.Itoa(seconds * rate * 2 * schemas.MaxChannels), "-f", "au", "pipe:1"}
}

// decode starts ffmpeg on the file and reads as far as the number of channels.
// The caller must close the recording. A *schemas.Error is the file's fault.
func decode(ctx context.Context, cfg Config, path string, log *slog.Logger) (*recording, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	program, err := exec.LookPath(cfg.FFmpeg)
	if err != nil {
		return nil, fmt.Errorf("ffmpeg is needed to decode recordings (apt-get install ffmpeg, or set EARSHOT_FFMPEG): %w", err)
	}
	r := &recording{said: stderr.New("ffmpeg", log), longest: int64(cfg.Longest.Seconds() * rate)}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.cmd = exec.CommandContext(r.ctx, program, arguments(path, cfg.Longest)...)
	r.cmd.Env = []string{"LC_ALL=C"} // nothing of ours, and messages we can read
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Cancel = func() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }
	r.cmd.WaitDelay = time.Second
	r.cmd.Stderr = r.said
	pipe, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("ffmpeg: %w", err)
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	r.out = bufio.NewReaderSize(pipe, 64<<10)
	err = r.bound(cfg.Memory)
	if err == nil {
		err = r.header()
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// checkFile refuses what needs no decoder to be refused.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the recording: %w", err)
	}
	defer f.Close()
	head := make([]byte, schemas.WAVHeaderBytes)
	n, err := io.ReadFull(f, head)
	if n == 0 && errors.Is(err, io.EOF) {
		return schemas.Fail(schemas.CodeUndecodable, "the file is empty")
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the recording: %w", err)
	}
	return schemas.CheckWAV(head[:n])
}

// bound limits what the operating system gives ffmpeg.
func (r *recording) bound(memory int) error {
	for resource, limit := range map[int]uint64{unix.RLIMIT_AS: uint64(memory) << 20, unix.RLIMIT_CPU: decodeCPU, unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0} {
		err := unix.Prlimit(r.cmd.Process.Pid, resource, &unix.Rlimit{Cur: limit, Max: limit}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended already
			return fmt.Errorf("bound ffmpeg: %w", err)
		}
	}
	return nil
}

// watch kills ffmpeg unless the returned function is called within decodeStall.
// Between windows it is not watched: then it waits for us.
func (r *recording) watch() (stop func() bool) {
	return time.AfterFunc(decodeStall, func() { r.cancel(errStalled) }).Stop
}

// header reads the AU header: magic, offset of the samples, their length,
// encoding, rate, channels.
func (r *recording) header() error {
	defer r.watch()()
	head := make([]byte, 24)
	if _, err := io.ReadFull(r.out, head); err != nil {
		return r.finish()
	}
	offset, channels := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[20:])
	if !bytes.Equal(head[:4], []byte(".snd")) || offset < 24 || offset > auHeaderMax {
		return fmt.Errorf("ffmpeg gave %x instead of an AU header", head)
	}
	if _, err := r.out.Discard(int(offset) - 24); err != nil {
		return r.finish()
	}
	if channels < 1 || channels > schemas.MaxChannels {
		return schemas.Fail(schemas.CodeBadFormat, "%d channels; 1 to %d are taken", channels, schemas.MaxChannels)
	}
	r.channels = int(channels)
	r.buffer = make([][]int16, channels)
	r.raw = make([]byte, 4096*2*channels)
	return nil
}

// skip leaves out the first samples of each channel, which were heard before.
// They are decoded all the same: a compressed file cannot be entered at a
// sample, and decoding is a small part of hearing.
func (r *recording) skip(samples int64) error {
	defer r.watch()()
	frame := int64(2 * r.channels)
	for left := samples; left > 0; {
		n, err := io.ReadFull(r.out, r.raw[:min(int64(len(r.raw)), left*frame)])
		left -= int64(n) / frame
		if err != nil {
			r.from, r.ended = samples-left, true
			return r.finish()
		}
	}
	r.from = samples
	return nil
}

// next returns the next window of at most most samples of each channel, cut
// where it is quiet. The samples are overwritten by the call after it. io.EOF
// is the end of a recording that was read whole.
func (r *recording) next(most int) (w window, err error) {
	r.from += int64(r.used)
	r.filled -= r.used
	for c := range r.buffer {
		if r.buffer[c] == nil {
			r.buffer[c] = make([]int16, most)
		}
		copy(r.buffer[c], r.buffer[c][r.used:r.used+r.filled])
	}
	r.used = 0
	if err := r.fill(most); err != nil {
		return window{}, err
	}
	if r.filled == 0 {
		return window{}, io.EOF
	}
	r.used = r.filled
	if !r.ended {
		r.used = quietest(r.buffer, r.filled)
	}
	w = window{from: r.from, channels: make([][]int16, len(r.buffer))}
	for c := range r.buffer {
		w.channels[c] = r.buffer[c][:r.used]
	}
	return w, nil
}

func (r *recording) fill(most int) error {
	defer r.watch()()
	for r.filled < most && !r.ended {
		want := min(len(r.raw), (most-r.filled)*2*r.channels)
		n, err := io.ReadFull(r.out, r.raw[:want])
		r.split(r.raw[:n])
		if r.from+int64(r.filled) > r.longest {
			return schemas.Fail(schemas.CodeBadLength, "longer than %s", time.Duration(r.longest/rate)*time.Second)
		}
		if err != nil {
			r.ended = true
			return r.finish()
		}
	}
	return nil
}

// split takes interleaved samples apart; an incomplete last frame is dropped.
func (r *recording) split(raw []byte) {
	frame := 2 * r.channels
	for ; len(raw) >= frame; raw = raw[frame:] {
		for c := range r.buffer {
			r.buffer[c][r.filled] = int16(binary.BigEndian.Uint16(raw[2*c:]))
		}
		r.filled++
	}
}

// seconds is how much was decoded so far.
func (r *recording) seconds() float64 { return float64(r.from+int64(r.filled)) / rate }

// finish waits for ffmpeg to end and says whose fault it is when it did not
// end well. A decoder that crashed or was killed is ours: the file is tried
// again and then kept as a dead letter.
func (r *recording) finish() error {
	err := r.cmd.Wait()
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		return fmt.Errorf("ffmpeg ended by %s: %s", exit.ProcessState, r.said.Last())
	}
	said := r.said.Last()
	switch {
	case err != nil && strings.Contains(said, "not on whitelist"), strings.Contains(said, "matches no streams"):
		return schemas.Because(schemas.CodeBadFormat, errors.New(said), "WAV, MP3, OGG, FLAC, M4A, AAC, AMR and WebM with sound are taken")
	case err != nil:
		return schemas.Because(schemas.CodeUndecodable, fmt.Errorf("%w: %s", err, said), "the file is damaged, cut off or not what its name says")
	case r.from+int64(r.filled) == 0:
		return schemas.Fail(schemas.CodeUndecodable, "the file holds no sound")
	}
	return nil
}

// close ends ffmpeg if it still runs.
func (r *recording) close() {
	r.cancel(context.Canceled)
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Wait() // it was killed; that is no news
	}
}
