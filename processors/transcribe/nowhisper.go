//go:build !whisper

package transcribe

// Without the build tag `whisper` the program needs no C compiler and no
// whisper.cpp, and hears nothing.
const withWhisper = false

type recogniser struct{}

func openRecogniser(string, int) (*recogniser, error) { return nil, errNoWhisper }

func (*recogniser) close()                                      {}
func (*recogniser) about() answer                               { return answer{} }
func (*recogniser) language([]float32) (string, float64, error) { return "", 0, errNoWhisper }
func (*recogniser) transcribe([]float32, string, func() error) ([]heard, error) {
	return nil, errNoWhisper
}
