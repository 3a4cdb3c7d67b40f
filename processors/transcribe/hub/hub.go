// Package hub gets speech models by name from whisper.cpp's public model hub,
// and keeps which of those in a folder is used.
//
//	models.txt ─► Get ─► *.bin.part ─► digest ─► *.bin ◄─ Use ─► current ─► Current: the engine
package hub

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config of the hub.
type Config struct {
	URL string `env:"EARSHOT_MODEL_URL" envDefault:"https://huggingface.co" help:"hub that earshot model get downloads from, or a mirror with the same paths"`
}

// Validate refuses what cannot work; the configuration loader calls it.
func (c *Config) Validate() error {
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("EARSHOT_MODEL_URL is not an address such as https://huggingface.co")
	}
	return nil
}

// Kind is what a model is for.
type Kind int

// The kinds.
const (
	Whisper Kind = iota // hears
	Silero              // tells speech from other sounds
)

// choices are the files in the folder that hold the name of the file in use.
var choices = map[Kind]string{Whisper: "current", Silero: "current-vad"}

// Model is a model that the hub publishes.
type Model struct {
	Name   string // "base.en-q5_1"
	File   string // "ggml-base.en-q5_1.bin"
	Size   int64  // bytes
	SHA256 string // lower-case hex
	Kind   Kind
}

// path of the model's file below the address of the hub.
func (m Model) path() string {
	if m.Kind == Silero {
		return "/ggml-org/whisper-vad/resolve/main/" + m.File
	}
	return "/ggerganov/whisper.cpp/resolve/main/" + m.File
}

//go:embed models.txt
var table string

// published are the models of the table.
func published() (all []Model) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "#" {
			continue
		}
		size, _ := strconv.ParseInt(f[1], 10, 64) // a test reads the table
		m := Model{Name: f[0], File: "ggml-" + f[0] + ".bin", Size: size, SHA256: f[2]}
		if strings.HasPrefix(m.Name, "silero") {
			m.Kind = Silero
		}
		all = append(all, m)
	}
	return all
}

// Hub downloads into a folder and chooses among what is there.
type Hub struct {
	cfg    Config
	folder string
	known  []Model
	out    io.Writer     // what was done
	bar    io.Writer     // progress
	set    []string      // variables that win over what is chosen
	stall  time.Duration // longest time without a byte
	pause  time.Duration // before the first retry
}

// New returns a Hub for a folder, which need not exist yet. It tells what it
// does on out. others are the values of variables that win over what is chosen
// here, by variable; a person is told of those that are set.
func New(cfg Config, folder string, others map[string]string, out io.Writer) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h := &Hub{cfg: cfg, folder: folder, known: published(), out: out, bar: io.Discard, stall: time.Minute, pause: time.Second}
	for variable, value := range others {
		if value != "" {
			h.set = append(h.set, variable)
		}
	}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		h.bar = os.Stderr
	}
	return h, nil
}

// find returns the model that is called or stored as name.
func (h *Hub) find(name string) (Model, bool) {
	for _, m := range h.known {
		if name == m.Name || name == m.File {
			return m, true
		}
	}
	return Model{}, false
}

// names of all known models, for an error message.
func (h *Hub) names() string {
	var all []string
	for _, m := range h.known {
		all = append(all, m.Name)
	}
	return strings.Join(all, ", ")
}

// open opens the folder, made if need be, for one writer at a time: the kernel
// drops the lock with the process.
func (h *Hub) open() (*os.Root, func() error, error) {
	if err := os.MkdirAll(h.folder, 0o755); err != nil {
		return nil, nil, fmt.Errorf("folder of the models: %w", err)
	}
	root, err := os.OpenRoot(h.folder)
	if err != nil {
		return nil, nil, fmt.Errorf("folder of the models: %w", err)
	}
	lock, err := root.Open(".")
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("another earshot model get is at work in %s; wait for it", h.folder)
		}
		return nil, nil, errors.Join(err, lock.Close(), root.Close())
	}
	return root, func() error { return errors.Join(lock.Close(), root.Close()) }, nil
}

// kindOf tells a Silero model by how it begins (whisper.cpp,
// models/convert-silero-vad-to-ggml.py); all else is taken for Whisper.
func kindOf(path string) Kind {
	f, err := os.Open(path)
	if err != nil {
		return Whisper
	}
	defer f.Close()
	head := make([]byte, 14)
	if _, err := io.ReadFull(f, head); err != nil {
		return Whisper
	}
	if binary.LittleEndian.Uint32(head) == 0x67676d6c && bytes.Equal(head[8:], []byte("silero")) {
		return Silero
	}
	return Whisper
}
