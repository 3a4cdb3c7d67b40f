package state

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"earshot/schemas"
)

// A text is stored with one byte in front: plain or zstd.
const (
	textPlain    = "0"
	textZstd     = "1"
	compressFrom = 512 // bytes; shorter texts gain nothing
)

// One encoder and one decoder serve everybody; only their one-call functions
// are used, which start no goroutines.
var packers = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	enc, err1 := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	dec, err2 := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4*schemas.MaxTextBytes))
	if err := errors.Join(err1, err2); err != nil {
		panic(err) // constant options
	}
	return enc, dec
})

func pack(text string) string {
	if text == "" {
		return ""
	}
	if len(text) < compressFrom {
		return textPlain + text
	}
	enc, _ := packers()
	return string(enc.EncodeAll([]byte(text), []byte(textZstd)))
}

func unpack(packed string) (string, error) {
	switch {
	case packed == "":
		return "", nil
	case packed[:1] == textPlain:
		return packed[1:], nil
	}
	_, dec := packers()
	b, err := dec.DecodeAll([]byte(packed[1:]), nil)
	if err != nil {
		return "", fmt.Errorf("text in Redis: %w", err)
	}
	return string(b), nil
}
