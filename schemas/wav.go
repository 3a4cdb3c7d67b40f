package schemas

import (
	"bytes"
	"encoding/binary"
)

// WAVHeaderBytes is how much of a file CheckWAV wants to see: recorders put
// their own chunks before the format, and none needs more.
const WAVHeaderBytes = 64 << 10

// Bounds of what a WAV header may claim. Telephony is 8 kHz and one or two
// channels, a studio 192 kHz, a conference bridge a channel for each of eight.
const (
	MinSampleRate = 4_000   // Hz
	MaxSampleRate = 192_000 // Hz
	MaxChannels   = 8
)

// CheckWAV refuses a WAV file by its header, before a decoder sees it. A
// megabyte that claims to be sampled once a second is 64 GB at 16 kHz. head is
// the beginning of the file, WAVHeaderBytes of it or all if it is shorter. A
// file that does not begin as WAV does (RIFF, RIFX, RF64, BW64) gives nil: it
// may be any other format.
//
// Errors: CodeUndecodable when the header is cut short or has no format before
// its samples; CodeBadFormat when the sample rate or the number of channels is
// out of bounds.
func CheckWAV(head []byte) error {
	order, ok := wavOrder(head)
	if !ok {
		return nil
	}
	rest := head[12:]
	for len(rest) >= 8 {
		name, size := string(rest[:4]), order.Uint32(rest[4:8])
		rest = rest[8:]
		switch name {
		case "fmt ":
			if size < 14 || len(rest) < 14 {
				return Fail(CodeUndecodable, "the WAV file is cut off in its header; upload it whole")
			}
			return checkWAVFormat(order, rest)
		case "data":
			return Fail(CodeUndecodable, "the WAV file has samples before it says what they are")
		}
		skip := uint64(size) + uint64(size&1) // chunks begin at even offsets
		if skip > uint64(len(rest)) {
			break
		}
		rest = rest[skip:]
	}
	return Fail(CodeUndecodable, "the WAV file does not say what its samples are; is it whole?")
}

func wavOrder(head []byte) (binary.ByteOrder, bool) {
	if len(head) < 12 || !bytes.Equal(head[8:12], []byte("WAVE")) {
		return nil, false
	}
	switch string(head[:4]) {
	case "RIFF", "RF64", "BW64":
		return binary.LittleEndian, true
	case "RIFX":
		return binary.BigEndian, true
	}
	return nil, false
}

// checkWAVFormat reads the fields that every version of the format chunk has.
func checkWAVFormat(order binary.ByteOrder, chunk []byte) error {
	channels, rate := order.Uint16(chunk[2:4]), order.Uint32(chunk[4:8])
	if rate < MinSampleRate || rate > MaxSampleRate {
		return Fail(CodeBadFormat, "a sample rate of %d Hz; %d to %d are taken", rate, MinSampleRate, MaxSampleRate)
	}
	if channels < 1 || channels > MaxChannels {
		return Fail(CodeBadFormat, "%d channels; 1 to %d are taken", channels, MaxChannels)
	}
	return nil
}
