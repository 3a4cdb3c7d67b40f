// Package config turns environment variables into the program's configuration, prints it and documents it. It declares no variable of
// its own: each package owns a Config struct with env, envDefault, help and secret tags, and the program composes them, one field
// per section.
package config

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Prefix begins every variable of the program.
const Prefix = "EARSHOT_"

// validator is what a section may have to check itself once it is loaded.
type validator interface{ Validate() error }

// Load fills dst, a pointer to a struct, from environ ("NAME=value", as os.Environ gives it). It refuses a variable that begins with
// EARSHOT_ and that no field has (naming the nearest that exists), a value that does not fit its field, and what a section's own
// Validate method refuses. The errors of all variables come together.
func Load(dst any, environ []string) error {
	fields := fieldsOf(reflect.ValueOf(dst))
	given := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, Prefix) {
			given[name] = value
		}
	}
	errs := unknown(fields, given)
	if err := env.ParseWithOptions(dst, env.Options{Environment: given, UseFieldNameByDefault: false}); err != nil {
		errs = append(errs, explain(err, fields)...)
	}
	if len(errs) == 0 {
		errs = validate(reflect.ValueOf(dst))
	}
	return errors.Join(errs...)
}

// unknown gives an error for each variable that no field has.
func unknown(fields []field, given map[string]string) (errs []error) {
	known := make(map[string]bool, len(fields))
	for _, f := range fields {
		known[f.name] = true
	}
	names := make([]string, 0, len(given))
	for name := range given {
		if !known[name] {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		errs = append(errs, fmt.Errorf("%s is not a variable of Earshot%s", name, suggest(name, fields)))
	}
	return errs
}

func suggest(name string, fields []field) string {
	best, distance := "", len(name)/2
	for _, f := range fields {
		if d := editDistance(name, f.name); d < distance {
			best, distance = f.name, d
		}
	}
	if best == "" {
		return ""
	}
	return ": is " + best + " meant?"
}

// explain words the errors of the env library by variable; a secret's value is not repeated.
func explain(err error, fields []field) (errs []error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []error{err}
	}
	for _, one := range all.Errors {
		var parse env.ParseError
		if !errors.As(one, &parse) {
			errs = append(errs, one)
			continue
		}
		for _, f := range fields {
			if f.field == parse.Name && f.value.Type() == parse.Type {
				why := "cannot be read as " + kindOf(parse.Type)
				if !f.secret {
					why += ": " + parse.Err.Error()
				}
				errs = append(errs, fmt.Errorf("%s %s", f.name, why))
			}
		}
	}
	return errs
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return `a duration such as "30s" or "5m"`
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "a whole number"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		return "a number"
	}
	return t.String()
}

func validate(v reflect.Value) (errs []error) {
	v = reflect.Indirect(v)
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			errs = append(errs, validate(v.Field(i))...)
		}
	}
	if v.CanAddr() {
		if section, ok := v.Addr().Interface().(validator); ok {
			errs = append(errs, section.Validate())
		}
	}
	return errs
}

// Print writes the resolved configuration as NAME=value lines, sorted by section and name, defaults included. Secrets and the
// passwords in URLs are masked.
func Print(w io.Writer, cfg any) error {
	section := "\x00"
	for _, f := range fieldsOf(reflect.ValueOf(cfg)) {
		if f.section != section {
			gap := "\n"
			if section == "\x00" {
				gap = ""
			}
			section = f.section
			if _, err := fmt.Fprintf(w, "%s# %s\n", gap, section); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s=%s\n", f.name, f.shown()); err != nil {
			return err
		}
	}
	return nil
}

// Table is the configuration's documentation: a Markdown table of variable, default and meaning, sorted by section and name.
func Table(cfg any) string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n| --- | --- | --- |\n")
	for _, f := range fieldsOf(reflect.ValueOf(cfg)) {
		initial := f.initial
		if initial != "" {
			initial = "`" + initial + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, initial, strings.ReplaceAll(f.help, "|", `\|`))
	}
	return b.String()
}

// Show is how the configuration is looked at, for kong.
type Show struct {
	Markdown bool `help:"Print the table of all variables, as the README has it, instead."`
}

// Write writes what Print does of cfg or, with Markdown, its Table.
func (s Show) Write(w io.Writer, cfg any) error {
	if s.Markdown {
		_, err := io.WriteString(w, Table(cfg))
		return err
	}
	return Print(w, cfg)
}

// field is one variable.
type field struct {
	section, field, name, initial, help string
	secret                              bool
	value                               reflect.Value
}

// shown is the value for human eyes.
func (f field) shown() string {
	var text string
	if f.value.Kind() == reflect.Slice {
		parts := make([]string, f.value.Len())
		for i := range parts {
			parts[i] = fmt.Sprint(f.value.Index(i).Interface())
		}
		text = strings.Join(parts, ",")
	} else {
		text = fmt.Sprint(f.value.Interface())
	}
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	isURL := err == nil && u.Scheme != "" && (u.Host != "" || u.User != nil)
	switch {
	case f.secret && isURL && u.RawQuery == "":
		return u.Redacted() // the host is worth seeing when an address is wrong
	case f.secret:
		return "xxxxx"
	case isURL:
		return u.Redacted()
	}
	return text
}

// fieldsOf lists the variables of a struct, sorted by section and name. A nested struct is a section, named after its field.
func fieldsOf(v reflect.Value) []field {
	var all []field
	collect(reflect.Indirect(v), "general", &all)
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].section != all[j].section {
			return all[i].section < all[j].section
		}
		return all[i].name < all[j].name
	})
	return all
}

func collect(v reflect.Value, section string, all *[]field) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(sf.Tag.Get("env"), ",")
		switch {
		case name != "":
			*all = append(*all, field{section: section, field: sf.Name, name: name, initial: sf.Tag.Get("envDefault"), help: sf.Tag.Get("help"),
				secret: sf.Tag.Get("secret") == "true", value: v.Field(i)})
		case v.Field(i).Kind() == reflect.Struct:
			inner := strings.ToLower(sf.Name)
			if sf.Anonymous {
				inner = section
			}
			collect(v.Field(i), inner, all)
		}
	}
}

// editDistance is Levenshtein's: how many letters to insert, delete or change.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
