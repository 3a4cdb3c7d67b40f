package api

import (
	"testing"

	"earshot/schemas"
)

// A person reads every text in the language asked for, the texts of a task that
// failed long ago too.
func TestTextsSpeakTheLanguageOfTheRequest(t *testing.T) {
	x := newTenant(t)
	failed := insert(t, x, row{status: schemas.StatusError, kind: schemas.TypeCall, failure: "File decoding error: the file is damaged or cut off"})
	call := upload(t, the.service, x, file("a.wav", wave(3, 8000, 1)))
	finish(t, x, call.at("code").(string), schemas.StatusError)
	for name, c := range map[string]struct {
		ask    func(lang string) reply
		field  string
		en, ru string
	}{
		"success": {func(lang string) reply {
			return the.post(t, "/add_chat_analysis_task", x.token, `{"text":"a: b"}`, "Accept-Language", lang)
		}, "success_message", "Chat analysis task created", "Задача анализа чата создана"},
		"login": {func(lang string) reply {
			return the.post(t, "/auth/login", "", credentials(x.email, password), "Accept-Language", lang)
		}, "message", "Login successful", "Вход выполнен"},
		"detail": {func(lang string) reply { return the.get(t, "/tasks/filter?page=0", x.token, "Accept-Language", lang) }, "error_message",
			"Invalid data or parameter format: page: 0 is not within 1..1000000", "Неверный формат данных или параметра: page: 0 вне пределов 1..1000000"},
		"before login": {func(lang string) reply { return the.get(t, "/gettask", "", "Accept-Language", lang) }, "error_message", "Unauthorized", "Требуется авторизация"},
		"unknown path": {func(lang string) reply { return the.get(t, "/nowhere", "", "Accept-Language", lang) }, "error_message", "Resource is unavailable", "Ресурс недоступен"},
		"stored": {func(lang string) reply {
			return the.get(t, "/tasks/filter?task_code="+failed, x.token, "Accept-Language", lang)
		}, "tasks.0.error_message", "File decoding error: the file is damaged or cut off", "Не удалось декодировать файл: файл повреждён или обрывается"},
		"of the task": {func(lang string) reply {
			return the.get(t, "/gettask?task_code="+call.at("code").(string), x.token, "Accept-Language", lang)
		}, "task.error_message", "broken", "broken"}, // what is not ours stays
	} {
		t.Run(name, func(t *testing.T) {
			for header, lang := range map[string]string{"en": "en", "ru": "ru", "ru-RU,en;q=0.5": "ru", "de": "en"} {
				r := c.ask(header)
				r.has(t, c.field, map[string]string{"en": c.en, "ru": c.ru}[lang])
				if said := r.header.Get("Content-Language"); said != lang || r.header.Get("Vary") != "Accept-Language" {
					t.Errorf("Accept-Language %s is answered with Content-Language %s", header, said)
				}
			}
		})
	}
}
