//go:build !whisper

package whisper

import "earshot/processors/transcribe/speech"

// Without the build tag `whisper` the program needs no C compiler and no
// whisper.cpp, and hears nothing.
const withWhisper = false

type (
	model struct{}
	state struct{}
)

func openModel(question, []byte) (*model, error) { return nil, errNoWhisper }

func (*model) engine() string      { return "" }
func (*model) languages() []string { return nil }
func (*model) newState() *state    { return nil }

func (*state) language([]float32, int) (string, float64, error) { return "", 0, errNoWhisper }
func (*state) activity([]float32) ([]float32, error)            { return nil, errNoWhisper }
func (*state) hear(*asked, watch) (string, []speech.Segment, error) {
	return "", nil, errNoWhisper
}
