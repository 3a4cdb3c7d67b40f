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

// Current is the path of the model of a kind in folder that an engine takes:
// the one chosen with Use or, where none was, the only one there; "" = there is
// none. An error says that the choice is gone, or that there are several and
// nobody chose.
func Current(folder string, kind Kind) (path string, err error) {
	choice := filepath.Join(folder, choices[kind])
	raw, err := os.ReadFile(choice)
	if errors.Is(err, fs.ErrNotExist) {
		return only(folder, kind)
	}
	if err != nil {
		return "", fmt.Errorf("which model is in use: %w", err)
	}
	name := strings.TrimSpace(string(raw))
	path = filepath.Join(folder, name)
	if info, err := os.Stat(path); !plain(name) || err != nil || info.IsDir() {
		return "", fmt.Errorf("%s names %q, and there is no such file beside it; choose with: earshot model use NAME", choice, name)
	}
	return path, nil
}

// only is the path of the only model of a kind in folder.
func only(folder string, kind Kind) (path string, err error) {
	files, err := installed(folder)
	if err != nil {
		return "", err
	}
	n := 0
	for file, k := range files {
		if k == kind {
			path = filepath.Join(folder, file)
			n++
		}
	}
	if n > 1 {
		return "", fmt.Errorf("%d models in %s; choose with: earshot model use NAME", n, folder)
	}
	return path, nil
}

// installed are the names of the model files in folder with their kinds.
func installed(folder string) (map[string]Kind, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("folder of the models: %w", err)
	}
	kinds := map[string]Kind{}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".bin" {
			kinds[e.Name()] = kindOf(filepath.Join(folder, e.Name()))
		}
	}
	return kinds, nil
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
