package transcribe

import "earshot/processors/transcribe/speech"

// window is a stretch of a recording, channel by channel.
type window struct {
	from     int64 // its first sample, counted from the beginning of the recording
	channels [][]int16
}

const (
	frameLength = speech.Rate / 50 // 20 ms
	cutLook     = 60 * speech.Rate // a window is cut within its last minute
	cutPause    = 15               // frames: in the quietest 0.3 s
)

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
