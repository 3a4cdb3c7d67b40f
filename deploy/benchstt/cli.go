package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// stamp is what whisper-cli puts before each segment.
var stamp = regexp.MustCompile(`(?m)^\[[0-9:.]+ --> [0-9:.]+\] *`)

// cli runs a whisper-cli on a file and returns the text. It decodes as Earshot
// does: greedily, falling back with five tries at higher temperatures.
func (b *bench) cli(ctx context.Context, program, path string, flash bool) (string, error) {
	// -ng as the engine has it on a CPU: our build gives the encoder flash attention then.
	args := []string{"-m", b.model, "-f", path, "-t", fmt.Sprint(cores()), "-bs", "1", "-bo", "5", "-l", "en", "-np", "-ng"}
	if flash {
		args = append(args, "-fa")
	} else {
		args = append(args, "-nfa")
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		said := complaint.String()
		return "", fmt.Errorf("%s: %w: %s", program, err, said[max(0, len(said)-300):])
	}
	return oneLine(stamp.ReplaceAllString(string(out), "")), nil
}

// oneLine has single spaces only.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
