package schemas

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// sayers are the functions that take an English text, and which argument it is.
// Those that pass on a text of their caller's are named by wrappers.
var (
	sayers   = map[string]int{"T": 0, "Fail": 1, "Say": 1, "Because": 2, "refuse": 0}
	wrappers = []string{"Fail", "Say", "Because", "refuse"}
)

// spoken collects the English texts of a source file; what is no literal is
// reported.
func spoken(t *testing.T, file *ast.File, at *token.FileSet) (texts []string) {
	for _, decl := range file.Decls {
		function, _ := decl.(*ast.FuncDecl)
		ast.Inspect(decl, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			i, ok := sayers[name]
			if !ok || len(call.Args) <= i {
				return true
			}
			if text, ok := literal(call.Args[i]); ok {
				if name == "T" || !parameters.MatchString(text) {
					texts = append(texts, text)
				}
			} else if name != "refuse" && (function == nil || !slices.Contains(wrappers, function.Name.Name)) {
				t.Errorf("%s: a text that is no literal cannot be translated", at.Position(call.Pos()))
			}
			return true
		})
	}
	return texts
}

func literal(e ast.Expr) (string, bool) {
	if sum, ok := e.(*ast.BinaryExpr); ok && sum.Op == token.ADD {
		a, isA := literal(sum.X)
		b, isB := literal(sum.Y)
		return a + b, isA && isB
	}
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// said are all English texts of the program, by the file that says them.
func said(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range Errors {
		found[m.En] = "errors.go"
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(source), "schemas") { // nobody else can say anything
			return err
		}
		at := token.NewFileSet()
		file, err := parser.ParseFile(at, path, source, 0)
		if err != nil {
			return err
		}
		for _, text := range spoken(t, file, at) {
			if strings.ContainsFunc(verb.ReplaceAllString(text, ""), unicode.IsLetter) {
				found[text] = path
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// parameters are names of some as the detail of an error, the same in every
// language.
var parameters = regexp.MustCompile(`^[a-z_]+(, [a-z_]+)*$`)

func TestEveryTextIsTranslated(t *testing.T) {
	found := said(t)
	if len(found) < 100 {
		t.Fatalf("only %d texts were found: has something been renamed?", len(found))
	}
	for _, lang := range Languages[1:] {
		if _, ok := messages().localizers[lang]; !ok {
			t.Fatalf("there is no message file of %s", lang)
		}
		for text, path := range found {
			local := messages().translate(text, lang)
			if local == text {
				t.Errorf("%s has no line in locales/%s.yaml (said in %s):\n%q", lang, lang, path, text)
			}
			if !slices.Equal(verbs(text), verbs(local)) {
				t.Errorf("%q has other values than %q", local, text)
			}
		}
	}
	for _, id := range messages().ids {
		if found[id] == "" {
			t.Errorf("nobody says %q any more", id)
		}
	}
}

// verbs are those of a format, by the argument they show.
func verbs(format string) []string {
	all := verb.FindAllString(strings.ReplaceAll(format, "%%", ""), -1)
	for i, v := range all {
		if !strings.Contains(v, "[") {
			all[i] = "%[" + strconv.Itoa(i+1) + "]" + v[1:]
		}
	}
	slices.Sort(all)
	return all
}

func TestErrorsSpeakBothLanguages(t *testing.T) {
	for _, c := range []struct {
		err    *Error
		en, ru string
	}{
		{Fail(CodeTaskNotFound, ""), "Task not found", "Задача не найдена"},
		{Fail(CodeInvalid, "there is no directory %d", 7), "Invalid data or parameter format: there is no directory 7", "Неверный формат данных или параметра: папки 7 нет"},
		{Fail(CodeInvalid, "%s: %s", "page", T("%q is not a whole number", "x")), `Invalid data or parameter format: page: "x" is not a whole number`,
			`Неверный формат данных или параметра: page: "x" — не целое число`},
		{Fail(CodeMissing, "%s", "email"), "Required parameter is missing: email", "Не указан обязательный параметр: email"},
		{Say(CodeAccessDenied, "Task not found"), "Task not found", "Задача не найдена"},
	} {
		en := c.err.Message("en")
		for lang, want := range map[string]string{"en": c.en, "en-GB": c.en, "": c.en, "de": c.en, "ru": c.ru, "ru-RU": c.ru} {
			if got := c.err.Message(lang); got != want {
				t.Errorf("%s: got %q, want %q", lang, got, want)
			}
			if got := Retell(en, lang); got != want {
				t.Errorf("%s, retold: got %q, want %q", lang, got, want)
			}
		}
	}
}

func TestRetell(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"nothing of ours: x 7": "nothing of ours: x 7",
		"analyze failed 4 times; an administrator can try it again with earshot replay":                                                            "analyze: неудачных попыток 4; администратор может повторить командой earshot replay",
		"Audio is too short or too long: 1.3 seconds of sound, at least 2 are needed":                                                              "Аудио слишком короткое или слишком длинное: звука 1.3 с, нужно не меньше 2",
		Fail(CodeNoModel, "the file %s cannot be opened; %s", "/m/a.bin", T("whisper.cpp refuses %s; %s", "x", T("Task not found"))).Message("en"): "Модель распознавания речи не установлена: файл /m/a.bin не открывается; whisper.cpp отвергает x; Задача не найдена",
	} {
		if got := Retell(in, "ru"); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", in, got, want)
		}
		if got := Retell(in, "en"); got != in {
			t.Errorf("in English %q became %q", in, got)
		}
	}
}
