package transcribe

import (
	"slices"
	"testing"
)

func TestQuietestCut(t *testing.T) {
	left := slices.Concat(babble(1, 100), silence(5, rate), babble(1, 15))
	right := slices.Concat(babble(2, 103), silence(7, rate), babble(2, 10))
	if got := float64(quietest([][]int16{left, right}, len(left))) / rate; got < 103 || got > 105 {
		t.Errorf("cut at %.2f s, want within the common pause from 103 to 105", got)
	}
	if got := quietest([][]int16{left}, 100); got != 100 {
		t.Errorf("cut %d of 100 samples", got)
	}
	early := slices.Concat(silence(10, rate), tone(300, 50, rate))
	if got := float64(quietest([][]int16{early}, len(early))) / rate; got < 30 {
		t.Errorf("cut at %.2f s of 60", got)
	}
}
