package schemas

import (
	"encoding/binary"
	"errors"
	"testing"
)

// wavHeader is a PCM WAV header with a chunk of junk bytes before the format.
func wavHeader(magic string, channels uint16, rate uint32, junk int) []byte {
	var order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	} = binary.LittleEndian
	if magic == "RIFX" {
		order = binary.BigEndian
	}
	b := append(order.AppendUint32([]byte(magic), 1<<20), "WAVE"...)
	if junk > 0 {
		b = append(order.AppendUint32(append(b, "JUNK"...), uint32(junk)), make([]byte, junk+junk&1)...)
	}
	b = order.AppendUint32(append(b, "fmt "...), 16)
	b = order.AppendUint16(order.AppendUint16(b, 1), channels)
	b = order.AppendUint32(order.AppendUint32(b, rate), rate*2)
	b = order.AppendUint16(order.AppendUint16(b, 2), 16)
	return append(order.AppendUint32(append(b, "data"...), 1<<20), make([]byte, 100)...)
}

func TestCheckWAV(t *testing.T) {
	tests := []struct {
		name string
		head []byte
		want Code // 0 = no error
	}{
		{"telephone", wavHeader("RIFF", 1, 8000, 0), 0},
		{"stereo behind junk of odd length", wavHeader("RIFF", 2, 48000, 1021), 0},
		{"long file", wavHeader("RF64", 2, 44100, 28), 0},
		{"big endian", wavHeader("RIFX", 2, 16000, 0), 0},
		{"1 Hz", wavHeader("RIFF", 1, 1, 0), CodeBadFormat},
		{"1 Hz, big endian", wavHeader("RIFX", 1, 1, 0), CodeBadFormat},
		{"too fast", wavHeader("RIFF", 1, 192_001, 0), CodeBadFormat},
		{"no channel", wavHeader("RIFF", 0, 8000, 0), CodeBadFormat},
		{"255 channels", wavHeader("RIFF", 255, 8000, 0), CodeBadFormat},
		{"eight channels", wavHeader("RIFF", 8, 8000, 0), 0},
		{"cut in the format", wavHeader("RIFF", 1, 8000, 0)[:30], CodeUndecodable},
		{"cut before the format", wavHeader("RIFF", 1, 8000, 0)[:12], CodeUndecodable},
		{"samples first", append(wavHeader("RIFF", 1, 8000, 0)[:12], "data\x04\x00\x00\x00abcdfmt "...), CodeUndecodable},
		{"chunk longer than the file", append(wavHeader("RIFF", 1, 8000, 0)[:12], "LIST\xff\xff\xff\xff"...), CodeUndecodable},
		{"empty", nil, 0},
		{"another format", []byte("OggS\x00\x02 and so on"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckWAV(tt.head)
			var coded *Error
			if errors.As(err, &coded); (tt.want == 0) != (err == nil) || err != nil && coded.Code != tt.want {
				t.Errorf("got %v, want code %d", err, tt.want)
			}
		})
	}
}

// Whatever is refused is refused with one of two codes, and whatever passes as
// WAV is within bounds wherever its format chunk stands.
func FuzzCheckWAV(f *testing.F) {
	f.Add(wavHeader("RIFF", 1, 8000, 0))
	f.Add(wavHeader("RIFX", 255, 1, 7))
	f.Add(wavHeader("RF64", 2, 48000, 28)[:40])
	f.Fuzz(func(t *testing.T, head []byte) {
		err := CheckWAV(head)
		var coded *Error
		if err != nil && (!errors.As(err, &coded) || coded.Code != CodeBadFormat && coded.Code != CodeUndecodable) {
			t.Fatalf("got %v", err)
		}
		if _, wav := wavOrder(head); wav && err == nil && len(head) < 12+8+14 {
			t.Fatalf("%d bytes passed as a whole header", len(head))
		}
	})
}
