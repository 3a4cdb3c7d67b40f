package transcribe

import (
	"math"
)

// window is a stretch of a recording, channel by channel.
type window struct {
	from     int64 // its first sample, counted from the beginning of the recording
	channels [][]int16
}

// Measures of silence. A telephone line that is open but silent lies near
// -65 dBFS, the quietest speech that anyone understands well above -50.
const (
	frameLength = rate / 50   // 20 ms
	quiet       = 32.8 * 32.8 // mean square of -60 dBFS
	leastVoice  = 5           // frames: a tenth of a second is no word
	cutLook     = 60 * rate   // a window is cut within its last minute
	cutPause    = 15          // frames: in the quietest 0.3 s
	alike       = 0.98        // correlation from which two channels are one
	clip        = 30 * rate   // what a language is told by
)

// activity says for every 20 ms whether there is a sound. A constant offset,
// as cheap recorders add, is no sound.
func activity(samples []int16) []bool {
	frames := make([]bool, (len(samples)+frameLength-1)/frameLength)
	for i := range frames {
		frames[i] = power(samples[i*frameLength:min((i+1)*frameLength, len(samples))]) > quiet
	}
	return frames
}

// power is the variance of samples.
func power(samples []int16) float64 {
	if len(samples) == 0 {
		return 0
	}
	var sum, squares float64
	for _, s := range samples {
		v := float64(s)
		sum += v
		squares += v * v
	}
	n := float64(len(samples))
	return squares/n - sum/n*sum/n
}

// anyVoice says whether frames hold enough sound to be worth hearing.
func anyVoice(frames []bool) bool { return voiced(frames) >= leastVoice }

func voiced(frames []bool) (n int) {
	for _, on := range frames {
		if on {
			n++
		}
	}
	return n
}

// between is the part of frames from start to end, in seconds.
func between(frames []bool, start, end float64) []bool {
	const perSecond = rate / frameLength
	first := min(max(0, int(start*perSecond)), len(frames))
	last := min(max(first, int(math.Ceil(end*perSecond))), len(frames))
	return frames[first:last]
}

// quietest is where to cut n samples so that no word is cut: the middle of the
// quietest pause of all channels together near their end.
func quietest(channels [][]int16, n int) int {
	first := max(n-cutLook, n/2)
	frames := (n - first) / frameLength
	levels := make([]float64, frames)
	for i := range levels {
		at := first + i*frameLength
		for _, c := range channels {
			levels[i] += power(c[at : at+frameLength])
		}
	}
	if frames < cutPause {
		return n
	}
	sum := 0.0
	for _, l := range levels[:cutPause] {
		sum += l
	}
	best, least := 0, sum
	for i := cutPause; i < frames; i++ {
		sum += levels[i] - levels[i-cutPause]
		if sum <= least { // of equal ones the last
			best, least = i-cutPause+1, sum
		}
	}
	return first + (best+cutPause/2)*frameLength
}

// twins says whether two channels carry the same voices, as when a mono call
// was stored as stereo: roles by channel would be invented. Loudness and
// polarity do not matter.
func twins(a, b []int16) bool {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	return aa > 0 && bb > 0 && math.Abs(ab) >= alike*math.Sqrt(aa*bb)
}

// opening is the clip that begins with the first sound.
func opening(samples []int16, frames []bool) []int16 {
	for i, on := range frames {
		if on {
			samples = samples[i*frameLength:]
			break
		}
	}
	return samples[:min(len(samples), clip)]
}
