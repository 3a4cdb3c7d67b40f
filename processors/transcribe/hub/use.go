package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Current is the path of the Whisper model in folder that was chosen with
// Use; ok is false when none was. An error says that the choice is of a file
// that is not there.
func Current(folder string) (path string, ok bool, err error) { return chosen(folder, Whisper) }

// VAD is the path of the Silero model in folder that was chosen with Use,
// as with Current.
func VAD(folder string) (path string, ok bool, err error) { return chosen(folder, Silero) }

func chosen(folder string, kind Kind) (path string, ok bool, err error) {
	raw, err := os.ReadFile(filepath.Join(folder, choices[kind]))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("which model is in use: %w", err)
	}
	name := strings.TrimSpace(string(raw))
	path = filepath.Join(folder, name)
	if info, err := os.Stat(path); !plain(name) || err != nil || info.IsDir() {
		return "", false, fmt.Errorf("%s names %q, and there is no such file beside it; choose with: earshot model use NAME", filepath.Join(folder, choices[kind]), name)
	}
	return path, true, nil
}

// plain says that a name is one of a file in the folder itself.
func plain(name string) bool {
	return name != "" && name != "." && name != ".." && filepath.Base(name) == name
}

func (h *Hub) path(file string) string { return filepath.Join(h.folder, file) }

// Use chooses an installed model, by its name or that of its file. A running
// program takes it at its next start.
func (h *Hub) Use(ctx context.Context, name string) (err error) {
	file := name
	m, known := h.find(name)
	if known {
		file = m.File
	}
	if info, err := os.Stat(h.path(file)); !plain(file) || err != nil || info.IsDir() {
		if known {
			return fmt.Errorf("%s is not installed; get it with: earshot model get %s", m.Name, m.Name)
		}
		return fmt.Errorf("there is no model %q in %s; earshot model list shows what there is", name, h.folder)
	}
	if known {
		damage, err := h.damage(ctx, m)
		if err != nil {
			return err
		}
		if damage != "" {
			return fmt.Errorf("%s is not what the hub publishes (%s); get it anew with: earshot model get %s", file, damage, m.Name)
		}
	}
	root, closeRoot, err := h.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeRoot()) }()
	return h.choose(root, kindOf(h.path(file)), file)
}

// choose writes a choice down, whole or not at all.
func (h *Hub) choose(root *os.Root, kind Kind, file string) error {
	temporary := choices[kind] + ".new"
	if err := errors.Join(root.WriteFile(temporary, []byte(file+"\n"), 0o644), root.Rename(temporary, choices[kind])); err != nil {
		return fmt.Errorf("write down which model is in use: %w", err)
	}
	fmt.Fprintf(h.out, "%s is in use; a running earshot serve takes it at its next start.\n", file)
	return h.warn()
}

// warn says which variables win over what is chosen.
func (h *Hub) warn() error {
	for _, variable := range h.set {
		if _, err := fmt.Fprintf(h.out, "But %s is set, and that wins.\n", variable); err != nil {
			return err
		}
	}
	return nil
}

// inUse are the files that an engine takes: those chosen, or the only ones of
// their kind.
func (h *Hub) inUse() (map[Kind]string, error) {
	files, kinds, err := h.installed()
	if err != nil {
		return nil, err
	}
	used := map[Kind]string{}
	for kind := range choices {
		path, ok, err := chosen(h.folder, kind)
		if ok {
			used[kind] = filepath.Base(path)
			continue
		}
		if err != nil {
			fmt.Fprintf(h.out, "%v\n", err)
			continue
		}
		for _, file := range files {
			if kinds[file] != kind {
				continue
			}
			if used[kind] != "" { // two, and nobody chose
				delete(used, kind)
				break
			}
			used[kind] = file
		}
	}
	return used, nil
}
