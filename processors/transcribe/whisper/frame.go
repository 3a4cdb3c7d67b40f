package whisper

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"earshot/processors/transcribe/speech"
)

// What goes between the program and the engine's process, on its stdin and
// stdout, big endian:
//
//	length of head (4 bytes) | length of body (4) | head, JSON | body, samples
//
// A question names a slot and carries a number that its answers repeat. It is
// followed by "alive" any number of times, then by one answer; questions of
// different slots are answered at once, those of one slot one after the other.
// The body is mono, 16 kHz, 16 bit little endian, and only questions have one.
const (
	maxHead = 16 << 20
	maxBody = 64 << 20
)

// What can be asked.
const (
	askOpen     = "open"     // load a model; the first question
	askHear     = "hear"     // what is said?
	askLanguage = "language" // which language is it?
	askActivity = "activity" // where is speech?
	askCancel   = "cancel"   // nobody waits for the answer to question ID any more; not answered
)

type question struct {
	Ask  string `json:"ask"`
	ID   uint64 `json:"id"`
	Slot int    `json:"slot,omitempty"`

	// of askOpen
	Model    string `json:"model,omitempty"`    // path; "" = the embedded one
	Activity string `json:"activity,omitempty"` // path; "" = none
	GPU      string `json:"gpu,omitempty"`
	Flash    string `json:"flash,omitempty"`

	// of the others
	Threads  int    `json:"threads,omitempty"`
	Language string `json:"language,omitempty"` // ISO 639-1; "" = detect it
	Prompt   string `json:"prompt,omitempty"`
}

type answer struct {
	ID       uint64 `json:"id"`
	Alive    bool   `json:"alive,omitempty"` // a sign of life, not the answer yet
	Error    string `json:"error,omitempty"`
	Unusable bool   `json:"unusable,omitempty"` // the error will come again: no such model, no engine

	Engine    string   `json:"engine,omitempty"`
	Languages []string `json:"languages,omitempty"`

	Language    string           `json:"language,omitempty"`
	Probability float64          `json:"probability,omitempty"`
	Segments    []speech.Segment `json:"segments,omitempty"`
	Activity    []float32        `json:"activity,omitempty"`
}

// writeFrame writes a frame in as many pieces as it takes: the caller sees to
// it that nobody else writes.
func writeFrame(w io.Writer, head any, samples []int16) error {
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if len(text) > maxHead || 2*len(samples) > maxBody {
		return fmt.Errorf("frame of %d and %d bytes is too large", len(text), 2*len(samples))
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 8+len(text)), uint32(len(text)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(2*len(samples)))
	if _, err := w.Write(append(frame, text...)); err != nil {
		return err
	}
	piece := make([]byte, 0, 2*min(len(samples), pieceSamples))
	for len(samples) > 0 {
		n := min(len(samples), pieceSamples)
		piece = piece[:0]
		for _, s := range samples[:n] {
			piece = binary.LittleEndian.AppendUint16(piece, uint16(s))
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

// pieceSamples go at once: two seconds, a pipe's 64 KiB.
const pieceSamples = 32 << 10

// readFrame reads a frame into head, and its samples as whisper.cpp takes
// them: -1 to 1. io.EOF means that the other side closed between two frames.
func readFrame(r io.Reader, head any) (samples []float32, err error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, err
	}
	headLength, bodyLength := binary.BigEndian.Uint32(lengths[:4]), binary.BigEndian.Uint32(lengths[4:])
	if headLength > maxHead || bodyLength > maxBody || bodyLength%2 != 0 {
		return nil, fmt.Errorf("frame claims %d and %d bytes", headLength, bodyLength)
	}
	text, err := readExactly(r, headLength)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, head); err != nil {
		return nil, fmt.Errorf("head of a frame: %w", err)
	}
	return readSamples(r, int(bodyLength/2))
}

// readExactly reads n bytes. A claim that is not kept costs a megabyte.
func readExactly(r io.Reader, n uint32) ([]byte, error) {
	b := make([]byte, min(n, 1<<20))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, unexpected(err)
	}
	if got := len(b); uint32(got) < n {
		b = append(make([]byte, 0, n), b...)[:n]
		if _, err := io.ReadFull(r, b[got:]); err != nil {
			return nil, unexpected(err)
		}
	}
	return b, nil
}

// readSamples reads n samples. Room for all is made when the first piece has
// arrived, and never more than maxBody says.
func readSamples(r io.Reader, n int) ([]float32, error) {
	if n == 0 {
		return nil, nil
	}
	piece := make([]byte, 2*min(n, pieceSamples))
	var samples []float32
	for len(samples) < n {
		piece = piece[:2*min(n-len(samples), pieceSamples)]
		if _, err := io.ReadFull(r, piece); err != nil {
			return nil, unexpected(err)
		}
		if samples == nil {
			samples = make([]float32, 0, n)
		}
		for i := 0; i < len(piece); i += 2 {
			samples = append(samples, float32(int16(binary.LittleEndian.Uint16(piece[i:])))/(1<<15))
		}
	}
	return samples, nil
}

// unexpected tells the end within a frame from the one between frames.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
