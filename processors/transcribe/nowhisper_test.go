//go:build !whisper

package transcribe

import (
	"strings"
	"testing"
	"time"

	"earshot/processors/measure"
	"earshot/schemas"
)

func TestWithoutWhisperTheTaskEndsWithWhatToDo(t *testing.T) {
	tr, err := New(testConfig(), measure.Config{Silence: time.Second}, t.TempDir(), quietLog)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	_, err = tr.Transcribe(t.Context(), schemas.TaskSubmitted{}, wavFile(t, 8000, tone(300, 3, 8000)), Options{})
	wantCode(t, err, schemas.CodeNoModel)
	if !strings.Contains(err.Error(), "make build") {
		t.Errorf("%q does not say how to get one", err)
	}
}
