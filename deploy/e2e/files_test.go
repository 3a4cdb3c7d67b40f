package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"earshot/schemas"
)

// TestKindsOfTasksAndTheirFiles takes what is no plain call or chat through the
// program (a recording of anything, a thread of e-mails, a chat in the bulk lane,
// a transcription without analysis), and gets the files of a call back.
func TestKindsOfTasksAndTheirFiles(t *testing.T) {
	s := newStack(t, speech(t)...)
	s.start()
	const name = "calls/02-delivery-late.ogg"
	call := s.uploadCall(name, map[string]string{"operator_name": "Ivan Petrov", "client_id": "C-42"})
	header, body := form(s, "memo.ogg", sample(s, name), map[string]string{"file_lang": "00", "lane": "bulk"})
	a := s.call(s.Client, http.MethodPost, "/addtaskaudio", header, body)
	shaped(s, "POST /addtaskaudio", a, addCallFields)
	audio := fmt.Sprint(a.json(s)["code"])
	transcribed := s.uploadCall("calls/01-billing-charged-twice.ogg", map[string]string{"processing_type": "transcription"})
	chat := s.chat([]byte(`{"lane":"bulk","chunks":[{"speaker":"Client","text":"Where is my parcel?","time":"10:00:00"},{"speaker":"Operator","text":"On its way.","time":"10:00:42"}]}`))
	mail := s.chat(thread(t))
	for _, code := range []string{call, audio, transcribed, chat, mail} {
		s.done(code)
	}

	s.checkKinds(audio, chat, mail)
	s.checkFiles(call, sample(s, name))
	for code, want := range map[string]string{audio: "audio_minutes standard", transcribed: "call_minutes transcription", mail: "chat_count standard", call: "call_minutes standard"} {
		s.eventually(30*time.Second, "the ledger has task "+code, func() string {
			rows := s.sql("SELECT concat(resource, ' ', processing_type) FROM usage FINAL WHERE task_code = '" + code + "'")
			if len(rows) != 1 || rows[0][0] != want {
				return fmt.Sprint(rows)
			}
			return ""
		})
	}
}

// thread is a request with two e-mails, the newer one first.
func thread(t testing.TB) []byte {
	t.Helper()
	letter := func(from, clock, text string) string {
		return "From: " + from + "\r\nDate: Mon, 20 Oct 2025 " + clock + " +0300\r\nSubject: Parcel\r\n\r\n" + text
	}
	body, err := json.Marshal(map[string]any{"type": "email", "operators": "shop.example", "email": []string{
		letter("help@shop.example", "11:00:00", "I am sorry, it arrives today.\r\n\r\n> Where is my parcel?"), letter("petr@client.example", "10:00:00", "Where is my parcel?")}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// checkKinds checks what became of each.
func (s *stack) checkKinds(audio, chat, mail string) {
	s.Helper()
	for kind, code := range map[string]string{"audio": audio, "email": mail} {
		doc := s.get("/tasks/filter?task_type=" + kind)
		tasks, _ := doc["tasks"].([]any)
		if len(tasks) != 1 || tasks[0].(map[string]any)["task_code"] != code {
			s.Errorf("/tasks/filter of type %s: %v", kind, doc)
		}
	}
	doc := s.get("/api/calls_analysis_v2/" + audio)
	if list, _ := doc["call_checklists"].([]any); doc["customer_satisfaction_score"] != nil || len(list) != 0 {
		s.Errorf("the recording is judged: %v", doc)
	}
	for code, seconds := range map[string]float64{chat: 42, mail: 3600} {
		analysis, _ := s.get("/api/calls_analysis_v2/" + code)["analysis"].(map[string]any)
		metrics, _ := analysis["metrics"].(map[string]any)
		if metrics["first_response_sec"] != seconds {
			s.Errorf("task %s: metrics are %v, want a first response after %g s", code, metrics, seconds)
		}
	}
	if task, err := s.Task(s.Context(), mail); err != nil || task.Result == nil || *task.Result.Text != "Client: Parcel\nWhere is my parcel?\nOperator: I am sorry, it arrives today." {
		s.Errorf("the thread: %+v, %v", task, err)
	}
}

// checkFiles gets all files of a call.
func (s *stack) checkFiles(code string, audio []byte) {
	s.Helper()
	file := func(kind, language string, header http.Header) answer {
		h := http.Header{"Accept-Language": {language}}
		for k, v := range header {
			h[k] = v
		}
		return s.call(s.Client, http.MethodGet, "/get_file?file_type="+kind+"&task_code="+code, h, nil)
	}
	for language, title := range map[string]string{"en": "Call report", "ru": "Отчёт о звонке"} {
		docx := file("docx_call", language, nil)
		if text := words(s, docx.body); docx.status != http.StatusOK || !strings.Contains(text, title) || !strings.Contains(text, "Ivan Petrov") {
			s.Errorf("the DOCX in %s: HTTP %d, %s %.300s", language, docx.status, docx.header, text)
		}
		txt := file("txt_call", language, nil)
		if text := string(txt.body); txt.header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.HasPrefix(text, title) || !strings.Contains(text, "C-42") {
			s.Errorf("the TXT in %s: HTTP %d %.300s", language, txt.status, text)
		}
	}
	whole := file("audio", "en", nil)
	if whole.status != http.StatusOK || !bytes.Equal(whole.body, audio) || !strings.HasPrefix(whole.header.Get("Content-Type"), "audio/") {
		s.Errorf("the audio: HTTP %d, %d bytes of %d, %s", whole.status, len(whole.body), len(audio), whole.header)
	}
	part := file("audio", "en", http.Header{"Range": {"bytes=100-199"}})
	if part.status != http.StatusPartialContent || !bytes.Equal(part.body, audio[100:200]) {
		s.Errorf("a range of the audio: HTTP %d, %d bytes", part.status, len(part.body))
	}
	if none := file("docx_youtube", "en", nil); none.json(s)["error_code"] != float64(schemas.CodeFileType) {
		s.Errorf("a document of a video: %s", none.body)
	}
}

// words is the XML of a DOCX's text.
func words(t testing.TB, docx []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(docx), int64(len(docx)))
	if err != nil {
		t.Fatalf("%v: %.300s", err, docx)
	}
	f, err := z.Open("word/document.xml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
