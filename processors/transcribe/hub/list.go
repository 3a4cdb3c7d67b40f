package hub

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Commands are the subcommands of `earshot model`, for kong. Their Run methods
// take the command line's context and a Hub.
type Commands struct {
	Get  get  `cmd:"" help:"Download a model by name and check it; after an interruption it goes on where it was."`
	List list `cmd:"" help:"Show the models there are, which are installed, whole and in use."`
	Use  use  `cmd:"" help:"Choose which of the installed models is used."`
}

type get struct {
	Name string `arg:"" help:"Such as base, small.en, large-v3-turbo-q5_0 or silero-v6.2.0."`
}

// Run downloads.
func (g *get) Run(ctx context.Context, h *Hub) error { return h.Get(ctx, g.Name) }

type list struct{}

// Run prints the list.
func (list) Run(ctx context.Context, h *Hub) error { return h.List(ctx) }

type use struct {
	Name string `arg:"" help:"Name of a model, or of a file in the folder models of the data folder."`
}

// Run chooses.
func (u *use) Run(ctx context.Context, h *Hub) error { return h.Use(ctx, u.Name) }

// List prints the known models and those in the folder with their state. The
// digests of the known ones are computed, which takes seconds for gigabytes.
func (h *Hub) List(ctx context.Context) error {
	files, err := installed(h.folder)
	if err != nil {
		return err
	}
	none := len(files) == 0
	fmt.Fprintf(h.out, "%-22s %8s  %-14s  %s\n", "MODEL", "SIZE", "FOR", "STATE")
	for _, m := range h.known {
		state, err := h.state(ctx, m)
		if err != nil {
			return err
		}
		h.row(m.Name, m.Size, m.Kind, strings.Contains(m.Name, ".en"), state)
		delete(files, m.File)
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		info, err := os.Stat(h.path(file))
		if err != nil {
			return err
		}
		h.row(file, info.Size(), files[file], false, h.used(file, files[file])+", not of the hub")
	}
	if none {
		fmt.Fprintf(h.out, "None is installed in %s; the small one that ships is used. A good start: earshot model get base\n", h.folder)
	}
	for _, kind := range []Kind{Whisper, Silero} {
		if _, err := Current(h.folder, kind); err != nil {
			fmt.Fprintln(h.out, err)
		}
	}
	return h.warn()
}

// used says whether a file that is there is the one in use.
func (h *Hub) used(file string, kind Kind) string {
	if path, err := Current(h.folder, kind); err == nil && path == h.path(file) {
		return "in use"
	}
	return "installed"
}

func (h *Hub) row(name string, bytes int64, kind Kind, english bool, state string) {
	purpose := "any language"
	switch {
	case kind == Silero:
		purpose = "voice activity"
	case english:
		purpose = "English"
	}
	fmt.Fprintln(h.out, strings.TrimRight(fmt.Sprintf("%-22s %8s  %-14s  %s", name, size(bytes), purpose, state), " "))
}

// state of a known model, in words.
func (h *Hub) state(ctx context.Context, m Model) (string, error) {
	if info, err := os.Stat(h.path(m.File + ".part")); err == nil {
		return fmt.Sprintf("%d%% downloaded; go on with: earshot model get %s", 100*info.Size()/m.Size, m.Name), nil
	}
	if _, err := os.Stat(h.path(m.File)); err != nil {
		return "", nil
	}
	damage, err := h.damage(ctx, m)
	switch {
	case err != nil:
		return "", err
	case damage != "":
		return "damaged (" + damage + "); earshot model get " + m.Name, nil
	}
	return h.used(m.File, m.Kind) + ", SHA-256 checked", nil
}

// size in words.
func size(bytes int64) string {
	switch {
	case bytes < 10e6:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	case bytes < 1e9:
		return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}
