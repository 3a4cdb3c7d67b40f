package acoustic

import (
	"math"
	"slices"

	"earshot/processors/transcribe/speech"
)

// Mark is a stretch that is no speech.
type Mark struct {
	Kind     string // KindMusic or KindTone
	From, To int    // samples of the window
}

// Kinds of Mark.
const (
	KindMusic = "music" // hold music
	KindTone  = "tone"  // ringing, busy, fax, beeps
)

// Measures of tones and music. A vowel holds its pitch for a fifth of a second
// and its loudness for less; what holds longer is no voice.
const (
	pure       = 0.85                 // part of a frame's power in its two strongest peaks
	peakWidth  = 2                    // bins on either side that belong to a peak
	toneLeast  = 3 * speech.Rate / 10 // samples
	musicBlock = 2 * speech.Rate      // is judged at a time
	musicLeast = 3                    // blocks: six seconds
	lasting    = 6                    // frames that a partial of music lasts, a fifth of a second
	partials   = 0.45                 // part of the power in lasting partials from which a block may be music
	hushed     = 0.5                  // of the mean loudness: speech is below it a third of the time
	hushedMost = 0.25                 // part of the frames of music that are
)

// Marks finds tones and music in samples. It would rather miss music than take
// a voice for it. A tone within music is a note of it.
func Marks(samples []int16) []Mark {
	f := peaksOf(samples)
	marks := music(f, len(samples))
	for _, t := range tones(f, len(samples)) {
		if !slices.ContainsFunc(marks, func(m Mark) bool { return m.Kind == KindMusic && m.From < t.To && t.From < m.To }) {
			marks = append(marks, t)
		}
	}
	slices.SortFunc(marks, func(a, b Mark) int { return a.From - b.From })
	return marks
}

// peaks are the spectral peaks of frames.
type peaks struct {
	power   []float64   // of each frame, on a telephone line
	pure    []bool      // whether two peaks hold nearly all of it
	at      [][2]int    // bins of the two
	partial [][]int     // bins of all peaks that stand out
	share   [][]float64 // and the part of the power that each holds
}

func peaksOf(samples []int16) *peaks {
	n := len(samples) / Frame
	f := &peaks{make([]float64, n), make([]bool, n), make([][2]int, n), make([][]int, n), make([][]float64, n)}
	s := newSpectra()
	low, high := bin(200), bin(3800)
	for i := range n {
		power := s.of(samples[i*Frame : (i+1)*Frame])
		f.power[i] = sum(power, low, high)
		if decibels(f.power[i]) <= quiet {
			continue
		}
		for k := low; k < high; k++ {
			if power[k] > power[k-1] && power[k] >= power[k+1] && power[k] > f.power[i]/100 {
				f.partial[i] = append(f.partial[i], k)
				f.share[i] = append(f.share[i], sum(power, k-peakWidth, k+peakWidth+1)/f.power[i])
			}
		}
		f.two(i)
	}
	return f
}

// two are the strongest two peaks of a frame; one that is alone is both.
func (f *peaks) two(i int) {
	if len(f.partial[i]) == 0 {
		return
	}
	first, second := 0, -1
	for k := range f.share[i] {
		if f.share[i][k] > f.share[i][first] {
			first = k
		}
	}
	for k := range f.share[i] {
		apart := max(f.partial[i][k]-f.partial[i][first], f.partial[i][first]-f.partial[i][k])
		if apart > 2*peakWidth && (second < 0 || f.share[i][k] > f.share[i][second]) {
			second = k
		}
	}
	a, b, held := f.partial[i][first], f.partial[i][first], f.share[i][first]
	if second >= 0 && f.share[i][second] > 0.1 {
		b, held = f.partial[i][second], held+f.share[i][second]
	}
	f.at[i], f.pure[i] = [2]int{min(a, b), max(a, b)}, held >= pure
}

// tones are runs of frames that hold the same one or two frequencies.
func tones(f *peaks, n int) (marks []Mark) {
	from := 0
	for i := range len(f.pure) + 1 {
		if i < len(f.pure) && f.pure[i] && (i == from || near(f.at[i], f.at[i-1])) {
			continue
		}
		if size := (i - from) * Frame; size >= toneLeast && f.pure[from] {
			marks = append(marks, Mark{KindTone, from * Frame, min(n, i*Frame)})
		}
		from = i
		if i < len(f.pure) && !f.pure[i] {
			from = i + 1
		}
	}
	return marks
}

func near(a, b [2]int) bool {
	return max(a[0]-b[0], b[0]-a[0]) <= 1 && max(a[1]-b[1], b[1]-a[1]) <= 1
}

// music are blocks of lasting partials that are never hushed: a melody holds
// its notes, a voice glides and pauses.
func music(f *peaks, n int) (marks []Mark) {
	const frames = musicBlock / Frame
	held := heldPower(f)
	from := -1
	blocks := len(f.power) / frames
	for b := range blocks + 1 {
		if b < blocks && musical(f.power[b*frames:(b+1)*frames], held[b*frames:(b+1)*frames]) {
			if from < 0 {
				from = b
			}
			continue
		}
		if from >= 0 && b-from >= musicLeast {
			to := b * frames * Frame
			if b == blocks {
				to = n
			}
			marks = append(marks, Mark{KindMusic, from * frames * Frame, to})
		}
		from = -1
	}
	return marks
}

// heldPower is the part of each frame's power in partials that last.
func heldPower(f *peaks) []float64 {
	held := make([]float64, len(f.power))
	age := map[int]int{} // of the partials of the frame before, by bin
	for i := range f.partial {
		now := map[int]int{}
		for k, p := range f.partial[i] {
			now[p] = 1 + age[p] // the very bin: a voice's harmonics move by one within a fifth of a second
			if now[p] >= lasting {
				held[i] += f.share[i][k]
			}
		}
		age = now
	}
	return held
}

func musical(power, held []float64) bool {
	mean, lasts := 0.0, 0.0
	for i := range power {
		mean += math.Sqrt(power[i]) / float64(len(power))
		lasts += min(1, held[i]) / float64(len(power))
	}
	low := 0
	for _, p := range power {
		if math.Sqrt(p) < hushed*mean {
			low++
		}
	}
	return decibels(mean*mean) > quiet && lasts >= partials && float64(low) <= hushedMost*float64(len(power))
}
