//go:build !whisper

package whisper

import (
	"strings"
	"testing"

	"earshot/schemas"
)

func TestWithoutWhisperTheTaskEndsWithWhatToDo(t *testing.T) {
	err := newEngine(t, Config{Slots: 1}).Use(t.Context(), nil)
	wantCode(t, err, schemas.CodeNoModel)
	if !strings.Contains(err.Error(), "make build") {
		t.Errorf("%q does not say how to get one", err)
	}
}
