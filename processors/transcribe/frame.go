package transcribe

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What goes between the program and the recogniser's process, on its stdin and
// stdout, big endian:
//
//	length of head (4 bytes) | length of body (4) | head, JSON | body, samples
//
// One question, then "alive" any number of times, then one answer. The body is
// mono, 16 kHz, 16 bit little endian, and only questions have one.
const (
	maxHead = 16 << 20
	maxBody = 64 << 20
)

// What can be asked.
const (
	askOpen       = "open"       // load a model; the first question
	askLanguage   = "language"   // which language is it?
	askTranscribe = "transcribe" // what is said?
)

type question struct {
	Ask      string `json:"ask"`
	Model    string `json:"model,omitempty"` // path
	Threads  int    `json:"threads,omitempty"`
	Language string `json:"language,omitempty"` // ISO 639-1
}

type answer struct {
	Alive        bool     `json:"alive,omitempty"` // a sign of life, not the answer yet
	Error        string   `json:"error,omitempty"`
	Unusable     bool     `json:"unusable,omitempty"` // the error will come again: no such model, no recogniser
	Engine       string   `json:"engine,omitempty"`
	Multilingual bool     `json:"multilingual,omitempty"`
	Languages    []string `json:"languages,omitempty"`
	Language     string   `json:"language,omitempty"`
	Probability  float64  `json:"probability,omitempty"`
	Segments     []heard  `json:"segments,omitempty"`
}

// heard is one segment as Whisper cuts them.
type heard struct {
	Start      float64 `json:"start"` // seconds from the beginning of the question's samples
	End        float64 `json:"end"`
	Text       string  `json:"text"`
	Confidence float64 `json:"confidence"` // mean probability of its words' tokens, 0..1
	Tokens     int     `json:"tokens"`     // over how many that mean is
}

func writeFrame(w io.Writer, head any, body []byte) error {
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if len(text) > maxHead || len(body) > maxBody {
		return fmt.Errorf("frame of %d and %d bytes is too large", len(text), len(body))
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 8+len(text)), uint32(len(text)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(body)))
	if _, err := w.Write(append(frame, text...)); err != nil || len(body) == 0 {
		return err
	}
	_, err = w.Write(body)
	return err
}

// readFrame reads a frame into head. io.EOF means that the other side closed
// between two frames.
func readFrame(r io.Reader, head any) (body []byte, err error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, err
	}
	headLength, bodyLength := binary.BigEndian.Uint32(lengths[:4]), binary.BigEndian.Uint32(lengths[4:])
	if headLength > maxHead || bodyLength > maxBody {
		return nil, fmt.Errorf("frame claims %d and %d bytes", headLength, bodyLength)
	}
	text, err := readExactly(r, headLength)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, head); err != nil {
		return nil, fmt.Errorf("head of a frame: %w", err)
	}
	return readExactly(r, bodyLength)
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

// unexpected tells the end within a frame from the one between frames.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
