package remote

import (
	"encoding/json"
	"testing"

	"earshot/processors/transcribe/speech"
)

// Ten seconds, and what several servers make of them.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, language, body, want string
	}{
		{"OpenAI: words apart, without punctuation", "", `{"task":"transcribe","language":"english","duration":10.0,"text":"Hello, there. Bye.",
			"segments":[{"id":0,"seek":0,"start":0.5,"end":2.0,"text":" Hello, there.","tokens":[50364,2425,11,456,13,50464],"temperature":0.2,"avg_logprob":-0.5,"compression_ratio":0.8,"no_speech_prob":0.1},
			            {"id":1,"start":4.0,"end":6.0,"text":" Bye.","tokens":[4621],"temperature":0.0,"avg_logprob":0,"no_speech_prob":2}],
			"words":[{"word":"Hello","start":0.5,"end":1.0},{"word":"there","start":1.0,"end":2.1},{"word":"Bye","start":3.2,"end":3.6}],"usage":{}}`,
			`{"Language":"en","Segments":[
			{"start":0.5,"end":2,"text":"Hello, there.","words":[{"start":0.5,"end":1,"text":"Hello,"},{"start":1,"end":2.1,"text":"there."}],"confidence":0.6065306597126334,"tokens":4,"log_prob":-0.5,"no_speech":0.1,"temperature":0.2},
			{"start":4,"end":6,"text":"Bye.","words":[{"start":3.2,"end":3.6,"text":"Bye."}],"confidence":1,"tokens":1,"log_prob":0,"temperature":0}]}`},
		{"speaches: words within", "", `{"language":"pt","text":"Oi","segments":[{"start":0,"end":1,"text":" Oi tchau","words":[{"word":" Oi","start":0,"end":0.4,"probability":0.9},{"word":" tchau","start":0.4,"end":1,"probability":1.5}]}],"words":null}`,
			`{"Language":"pt","Segments":[{"start":0,"end":1,"text":"Oi tchau","words":[{"start":0,"end":0.4,"text":"Oi","confidence":0.9},{"start":0.4,"end":1,"text":"tchau"}]}]}`},
		{"whisper-server: tokens for words", "", `{"language":"german","text":"x","segments":[{"id":0,"text":" Guten Tag.","start":0,"end":2,"words":[{"word":" Gut","start":0,"end":0.2,"t_dtw":-1,"probability":0.9},
			{"word":"en","start":0.2,"end":0.4,"t_dtw":-1,"probability":0.5},{"word":" Tag","start":0.5,"end":0.9,"t_dtw":-1,"probability":0.8},{"word":".","start":0.9,"end":0.9,"t_dtw":-1,"probability":0.95}],"avg_logprob":null}]}`,
			`{"Language":"de","Segments":[{"start":0,"end":2,"text":"Guten Tag.","words":[{"start":0,"end":0.4,"text":"Guten","confidence":0.5},{"start":0.5,"end":0.9,"text":"Tag.","confidence":0.8}]}]}`},
		{"vLLM: measures that were not taken", "", `{"duration":"10.0","language":"en","text":"a","segments":[{"start":1,"end":2,"text":"a","avg_logprob":-1.0,"compression_ratio":-1.0,"no_speech_prob":-1.0,"temperature":-1.0,"tokens":[]}]}`,
			`{"Language":"en","Segments":[{"start":1,"end":2,"text":"a"}]}`},
		{"text only", "ru", `{"text":" Алло. "}`, `{"Language":"ru","Segments":[{"start":0,"end":10,"text":"Алло."}]}`},
		{"text and words", "", `{"text":"Yes, no","language":"Klingonese","words":[{"word":"no","start":3,"end":4},{"word":"yes","start":1,"end":2},{"word":"lost"}]}`,
			`{"Language":"","Segments":[{"start":1,"end":4,"text":"Yes, no","words":[{"start":1,"end":2,"text":"Yes,"},{"start":3,"end":4,"text":"no"}]}]}`},
		{"nothing said", "en", `{"text":"","segments":[],"language":"japanese"}`, `{"Language":"en","Segments":null}`},
		{"times that cannot be", "en", `{"text":"","segments":[{"start":8,"end":99,"text":"d"},{"start":-5,"end":1,"text":"a"},{"start":3,"end":2,"text":"b"},{"start":50,"end":60,"text":"e"},{"start":4,"text":"c"},{"start":5,"end":6,"text":" "}],
			"words":[{"word":"e","start":70,"end":80},{"word":"a","start":-2,"end":0.5}]}`,
			`{"Language":"en","Segments":[{"start":0,"end":1,"text":"a","words":[{"start":0,"end":0.5,"text":"a"}]},{"start":3,"end":3,"text":"b"},{"start":4,"end":10,"text":"c"},{"start":8,"end":10,"text":"d","words":[{"start":10,"end":10,"text":"e"}]},
			{"start":10,"end":10,"text":"e"}]}`},
		{"no times", "en", `{"text":"","segments":[{"text":"a","end":4},{"text":"b"}]}`, `{"Language":"en","Segments":[{"start":0,"end":4,"text":"a"},{"start":4,"end":10,"text":"b"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard, err := read([]byte(c.body), speech.Ask{Samples: make([]int16, 10*speech.Rate), Language: c.language})
			if err != nil {
				t.Fatal(err)
			}
			var want speech.Heard
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			got, _ := json.Marshal(heard)
			if expected, _ := json.Marshal(want); string(got) != string(expected) {
				t.Errorf("got  %s\nwant %s", got, expected)
			}
		})
	}
}

func TestLanguageCodes(t *testing.T) {
	for name, want := range map[string]string{"english": "en", " Haitian Creole": "ht", "Castilian": "es", "en": "en", "pt-BR": "pt", "zh_Hans": "zh", "haw": "haw",
		"jv": "jw", "lao": "lo", "": "", "und": "", "unknown": "", "12": "", "ü": ""} {
		if got := code(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	if len(codes) != 112 {
		t.Errorf("%d names, Whisper has 100 languages and 12 aliases", len(codes))
	}
}
