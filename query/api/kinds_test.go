package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

func uploadAudio(t *testing.T, x tenant, parts ...part) reply {
	t.Helper()
	body, kind := formOf(t, parts...)
	return the.send(t, http.MethodPost, "/addtaskaudio", x.token, bytes.NewReader(body), "Content-Type", kind)
}

func TestAudioBecomesATask(t *testing.T) {
	x := newTenant(t)
	put(t, x.org, schemas.KindDirectory, "321", 1, schemas.Directory{ID: 321, Name: "Audio"})
	data := wave(65, 8000, 1)
	r := uploadAudio(t, x, field("directory_id", "321"), file("memo.wav", data), field("file_lang", "ru"))
	r.want(t, 200, 0)
	r.has(t, "id", 1.0)
	got := submitted(t, x, r.at("code"))
	want := schemas.Task{ID: 1, Org: x.org, User: 1, Type: schemas.TypeAudio, Source: schemas.SourceAudio, Processing: schemas.ProcessStandard, FileName: "memo.wav",
		ContentType: "audio/wav", Bytes: int64(len(data)), Language: "ru", DirectoryID: 321, Seconds: 65, Resource: schemas.ResourceAudioMinutes, Reserved: 2,
		Code: got.Code, CreatedAt: got.CreatedAt, Digest: got.Digest, Blob: got.Blob}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	the.get(t, "/gettask?task_code="+got.Code, x.token).has(t, "type", "audio")
	if file := getFile(t, the.service, x, "audio", got.Code); file.raw != string(data) {
		t.Errorf("%d, %d bytes", file.status, len(file.raw))
	}
	getFile(t, the.service, x, "docx_call", got.Code).want(t, 200, schemas.CodeAccessDenied)
	// The seed knows no duplicates of it; 00 is whatever is spoken.
	again := uploadAudio(t, x, file("memo.wav", data), field("file_lang", "00"), field("directory_id", "0"))
	again.want(t, 200, 0)
	if next := submitted(t, x, again.at("code")); next.Code == got.Code || next.Language != "" || next.DirectoryID != 0 {
		t.Errorf("%+v", next)
	}
}

func TestAudioRefuses(t *testing.T) {
	plan := schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))
	plan.Limits = map[string]int64{schemas.ResourceAudioMinutes: 2, schemas.ResourceCallMinutes: 0}
	x := newTenantWith(t, &plan)
	good := file("good.wav", wave(3, 8000, 1))
	for _, c := range []struct {
		name  string
		parts []part
		code  schemas.Code
	}{
		{"no file", []part{field("file_lang", "00")}, schemas.CodeNoFile},
		{"text", []part{file("a.wav", []byte("hello hello hello"))}, schemas.CodeBadFormat},
		{"cut off ogg", []part{file("a.ogg", []byte("OggS\x00\x02 and no more of it"))}, schemas.CodeUndecodable},
		{"one second", []part{file("a.wav", wave(1, 8000, 1))}, schemas.CodeBadLength},
		{"more minutes than are left", []part{file("a.wav", wave(121, 4000, 1))}, schemas.CodeQuota},
		{"a language of nobody", []part{good, field("file_lang", "klingon")}, schemas.CodeInvalid},
		{"a directory of nobody", []part{good, field("directory_id", "9")}, schemas.CodeInvalid},
		{"a lane of nobody", []part{good, field("lane", "fast")}, schemas.CodeInvalid},
	} {
		t.Run(c.name, func(t *testing.T) { uploadAudio(t, x, c.parts...).want(t, 200, c.code) })
	}
	upload(t, the.service, x, good).want(t, 200, schemas.CodeQuota) // the minutes of calls are others
	uploadAudio(t, x, good).want(t, 200, 0)
	uploadAudio(t, newTenantWith(t, nil), good).want(t, 200, schemas.CodeNoPlan)
	the.post(t, "/addtaskaudio", "", `{}`).want(t, 401, schemas.CodeUnauthorized)
}

// topicOf finds on which topic of submissions a task lies.
func topicOf(t *testing.T, code any) string {
	t.Helper()
	client, err := the.engines.Kafka(kgo.ConsumeTopics(schemas.TopicAudio, schemas.TopicAudioBulk, schemas.TopicText, schemas.TopicTextBulk),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("task %v is on no topic: %v", code, err)
		}
		for _, r := range fetches.Records() {
			if string(r.Key) == code {
				return r.Topic
			}
		}
	}
}

func TestLanes(t *testing.T) {
	x := newTenant(t)
	chat := func(lane, processing string) any {
		return submitChat(t, x, map[string]any{"text": "Operator: hello " + lane + processing, "lane": lane, "processing_type": processing})
	}
	recording := func(send func(...part) reply, name, lane string) any {
		r := send(file(name+lane+".wav", wave(2+float64(len(name+lane))/10, 8000, 1)), field("lane", lane))
		r.want(t, 200, 0)
		return r.at("code")
	}
	calls := func(p ...part) reply { return upload(t, the.service, x, p...) }
	audio := func(p ...part) reply { return uploadAudio(t, x, p...) }
	for _, c := range []struct {
		name string
		code any
		want string
	}{
		{"a chat", chat("", ""), schemas.TopicText},
		{"a live chat", chat("live", ""), schemas.TopicText},
		{"a chat in bulk", chat("bulk", ""), schemas.TopicTextBulk},
		{"a chat in bulk that cannot wait", chat("bulk", "priority"), schemas.TopicText},
		{"a call", recording(calls, "call", ""), schemas.TopicAudio},
		{"a call in bulk", recording(calls, "call", "bulk"), schemas.TopicAudioBulk},
		{"audio", recording(audio, "audio", ""), schemas.TopicAudio},
		{"audio in bulk", recording(audio, "audio", "bulk"), schemas.TopicAudioBulk},
	} {
		if got := topicOf(t, c.code); got != c.want {
			t.Errorf("%s is on %s, want %s", c.name, got, c.want)
		}
	}
	the.post(t, "/add_chat_analysis_task", x.token, `{"text":"a","lane":"fast"}`).want(t, 200, schemas.CodeInvalid)
}

func TestEmail(t *testing.T) {
	x := newTenant(t)
	mail := func(from, clock, body string) string {
		return fmt.Sprintf("From: %s\r\nDate: Mon, 20 Oct 2025 %s +0300\r\nSubject: Refund\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s", from, clock, body)
	}
	first, second := mail("Petr <petr@client.com>", "10:00:00", "Я хочу вернуть деньги."), mail("help@shop.com", "10:30:00", "Вернём сегодня.\r\n\r\n> Я хочу вернуть деньги.")
	const text = "Client: Refund\nЯ хочу вернуть деньги.\nOperator: Вернём сегодня."
	for name, body := range map[string]map[string]any{
		"texts":          {"type": "email", "email": []string{second, first}, "operators": "help@shop.com"},
		"files":          {"eml": []string{base64.StdEncoding.EncodeToString([]byte(first)), base64.StdEncoding.EncodeToString([]byte(second))}, "operators": []string{"shop.com"}, "lane": "bulk"},
		"one mbox":       {"email": "From a@b.c Mon Oct 20 07:00:00 2025\n" + first + "\n\nFrom a@b.c Mon Oct 20 07:30:00 2025\n" + second, "operators": "@shop.com"},
		"chunks of them": {"type": "email", "chunks": []map[string]string{{"from": "Client", "text": "Refund\nЯ хочу вернуть деньги.", "date": "2025-10-20T10:00:00+03:00"}, {"from": "help@shop.com", "text": "Вернём сегодня.\n\n> Я хочу вернуть деньги.", "date": "2025-10-20T10:30:00+03:00"}}, "operators": "help@shop.com", "call_datetime": "2025-10-20T10:00:00+03:00"},
	} {
		t.Run(name, func(t *testing.T) {
			got := submitted(t, x, submitChat(t, x, body))
			if got.Type != schemas.TypeEmail || got.Source != schemas.SourceEmail || got.Resource != schemas.ResourceChats || got.Reserved != 1 || got.CallDate != "2025-10-20" ||
				!got.CallTime.Equal(time.Date(2025, 10, 20, 7, 0, 0, 0, time.UTC)) {
				t.Errorf("%+v", got)
			}
			r := the.get(t, "/gettask?task_code="+got.Code, x.token)
			r.has(t, "type", "email")
			r.has(t, "task_length", 0.0)
			r.has(t, "task_result.original_text", text)
		})
	}
	for name, body := range map[string]string{
		"type of nobody":      `{"type":"fax","text":"a"}`,
		"e-mail as a chat":    `{"type":"chat","email":"From: a@b.c\n\na"}`,
		"e-mail and text":     `{"email":"From: a@b.c\n\na","text":"a"}`,
		"e-mail and chunks":   `{"email":"From: a@b.c\n\na","chunks":["a"]}`,
		"no e-mail":           `{"email":"hello"}`,
		"a number":            `{"email":7}`,
		"no base64":           `{"eml":"*"}`,
		"operators":           `{"email":"From: a@b.c\n\na","operators":{}}`,
		"too many operators":  `{"email":"From: a@b.c\n\na","operators":[` + string(bytes.Repeat([]byte(`"a",`), maxOperators)) + `"a"]}`,
		"nothing transcribed": `{"email":"From: a@b.c\n\na","processing_type":"transcription"}`,
	} {
		t.Run(name, func(t *testing.T) {
			the.post(t, "/add_chat_analysis_task", x.token, body).want(t, 200, schemas.CodeInvalid)
		})
	}
	the.post(t, "/add_chat_analysis_task", x.token, `{"type":"email","email":null}`).want(t, 200, schemas.CodeMissing)
	the.post(t, "/add_chat_analysis_task", x.token, `{"email":"From: a@b.c\n\n"}`).want(t, 200, schemas.CodeFieldsMissing)
}
