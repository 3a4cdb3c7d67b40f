package analyze

import (
	"testing"
	"time"
)

// Twelve-turn chats, English and Russian in turn, as the load generator sends
// them.
func BenchmarkAnalyzeChat12Turns(b *testing.B) {
	a, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	inputs := []Input{
		{Utterances: turns(chatRefund), Now: time.Unix(0, 0)},
		{Utterances: turns(chatOutageRu), Now: time.Unix(0, 0)},
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a.Analyze(inputs[i%len(inputs)])
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Config{}); err != nil {
			b.Fatal(err)
		}
	}
}
