package ingest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"earshot/schemas"
)

// letterOf is a message as a mail program writes it.
func letterOf(from, date, subject, body string) string {
	return fmt.Sprintf("From: %s\r\nTo: other@example.org\r\nDate: %s\r\nSubject: %s\r\nMessage-ID: <%x@t>\r\n\r\n%s", from, date, subject, from+date+body, strings.ReplaceAll(body, "\n", "\r\n"))
}

func mails(texts ...string) (m []Mail) {
	for _, t := range texts {
		m = append(m, Mail{Raw: []byte(t)})
	}
	return m
}

// A thread in the wrong order, each answer with all that was before it below:
// the letters come out in theirs, each with its own words only, and timed.
func TestMailThread(t *testing.T) {
	first := letterOf("Petr <petr@client.com>", "Mon, 20 Oct 2025 10:00:00 +0300", "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte("Возврат 45821"))+"?=", "The parcel is broken.\nI want my money back.")
	second := letterOf("Olga <help@shop.com>", "Mon, 20 Oct 2025 07:30:00 +0000", "Re: x", "I am sorry, I will refund you today.\n\nOn Mon, 20 Oct 2025 at 10:00, Petr\n<petr@client.com> wrote:\n> The parcel is broken.\n> I want my money back.")
	third := letterOf("petr@client.com", "Mon, 20 Oct 2025 11:00:00 +0300", "Re: x", "Thank you!\n\n-----Original Message-----\nFrom: Olga\nSent: Monday\nTo: Petr\nSubject: x\n\nI am sorry.")
	for name, thread := range map[string][]Mail{
		"messages": mails(third, second, first, second),
		"mbox": mails("From help@shop.com Mon Oct 20 07:30:00 2025\n" + second + "\n\nFrom petr@client.com Mon Oct 20 07:00:00 2025\n" + first +
			"\n\nFrom petr@client.com Mon Oct 20 08:00:00 2025\n" + third),
	} {
		t.Run(name, func(t *testing.T) {
			utterances, text, began, err := ParseMail(Thread{Mails: thread, Operators: []string{"@shop.com"}})
			if err != nil {
				t.Fatal(err)
			}
			want := "Client: Возврат 45821\nThe parcel is broken.\nI want my money back.\nOperator: I am sorry, I will refund you today.\nClient: Thank you!"
			if text != want {
				t.Errorf("got  %q\nwant %q", text, want)
			}
			if !began.Equal(time.Date(2025, 10, 20, 7, 0, 0, 0, time.UTC)) {
				t.Errorf("began %s", began)
			}
			for i, at := range []float64{0, 1800, 3600} {
				if utterances[i].Start == nil || *utterances[i].Start != at {
					t.Errorf("message %d is at %v, want %v", i, utterances[i].Start, at)
				}
			}
		})
	}
}

func TestMailRoles(t *testing.T) {
	const a, b = "Ann <ann@gmail.com>", "Bob <bob@gmail.com>"
	for _, c := range []struct {
		name   string
		thread Thread
		from   []string
		want   string // o, c, s, u a message; capital = a guess
	}{
		{"who answers is the operator", Thread{}, []string{"x@client.com", "y@shop.com", "x@client.com"}, "COC"},
		{"they wrote first", Thread{Outbound: true}, []string{"y@shop.com", "x@client.com"}, "OC"},
		{"two of one provider", Thread{}, []string{a, b, a}, "COC"},
		{"an address that is known", Thread{Operators: []string{"Y@shop.com"}}, []string{"x@client.com", "y@shop.com"}, "co"},
		{"his colleague", Thread{Operators: []string{"y@shop.com"}}, []string{"x@client.com", "z@shop.com", "y@shop.com"}, "cOo"},
		{"a domain and those below it", Thread{Operators: []string{"shop.com"}}, []string{"y@eu.shop.com", "x@notshop.com"}, "oc"},
		{"a name that is known", Thread{OperatorName: "Ann"}, []string{b, a}, "co"},
		{"a word of role, and a machine", Thread{}, []string{"no-reply@shop.com", "support@shop.com", "x@client.com"}, "soc"},
		{"a colleague of the customer, and somebody else", Thread{}, []string{"x@client.com", "y@shop.com", "boss@client.com", "who@else.com"}, "COCu"},
		{"alone", Thread{}, []string{"x@client.com"}, "C"},
		{"nobody that can be read", Thread{}, []string{"@@@", "y@shop.com"}, "CO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, from := range c.from {
				c.thread.Mails = append(c.thread.Mails, Mail{Raw: []byte(letterOf(from, fmt.Sprintf("Mon, 20 Oct 2025 10:%02d:00 +0000", i), "s", fmt.Sprint("words ", i)))})
			}
			utterances, _, _, err := ParseMail(c.thread)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, u := range utterances {
				letter := u.Speaker[:1]
				if u.RoleConfidence != nil {
					letter = strings.ToUpper(letter)
				}
				got += letter
			}
			if got != c.want {
				t.Errorf("roles %s, want %s", got, c.want)
			}
		})
	}
}

func TestUnquote(t *testing.T) {
	for name, c := range map[string][2]string{
		"nothing is quoted":       {"Hello.\n\nHow are you?", "Hello.\n\nHow are you?"},
		"an answer between lines": {"> Is it blue?\nYes.\n> Is it big?\nNo.", "Yes.\nNo."},
		"an answer below":         {"On 20/10/2025 10:00, Ann wrote:\n> Is it blue?\n\nYes.", "Yes."},
		"Russian":                 {"Да.\n\n20.10.2025 10:00, Анна пишет:\n> Синий?", "Да."},
		"Russian, wrapped":        {"Да, в заказе 7.\n\nпн, 20 окт. 2025 г. в 10:00, Анна\n<a@shop.com> написал(а):\n\n> Синий?", "Да, в заказе 7."},
		"the line above is ours":  {"Заказ 123\n20.10.2025, Анна пишет:\n> Синий?", "Заказ 123"},
		"not marked":              {"Yes.\nOn Mon, Oct 20, 2025 at 10:00 AM Ann <a@b.c> wrote:\n\nIs it blue?", "Yes."},
		"a story is no quote":     {"At 10:00 the courier wrote:\nI am late.\nВ 10 часов он мне написал:\nопоздаю", "At 10:00 the courier wrote:\nI am late.\nВ 10 часов он мне написал:\nопоздаю"},
		"Outlook":                 {"Yes.\n\n________________________________\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: x\n\nIs it blue?", "Yes."},
		"Outlook without a line":  {"Да.\n\nОт: Анна\nОтправлено: 20 октября\nКому: Боб\nТема: x\n\nСиний?", "Да."},
		"a list is no header":     {"From: Moscow\nTo: Riga\nPlease deliver.", "From: Moscow\nTo: Riga\nPlease deliver."},
		"original message":        {"Да.\n-------- Исходное сообщение --------\nСиний?", "Да."},
		"a signature":             {"Yes.\n-- \nBob\n+1 555", "Yes."},
		"only a quote":            {"> Is it blue?\n>> No.", "Is it blue?\nNo."},
	} {
		if got := Unquote(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", name, got, c[1])
		}
	}
}

func TestMailBodies(t *testing.T) {
	const head = "From: a@b.c\nDate: Mon, 20 Oct 2025 10:00:00 +0000\nMIME-Version: 1.0\n"
	multipart := func(kind string, parts ...string) string {
		return "Content-Type: multipart/" + kind + "; boundary=x\n\npreamble\n--x\n" + strings.Join(parts, "\n--x\n") + "\n--x--\n"
	}
	plain, page := "Content-Type: text/plain\n\nplain", "Content-Type: text/html\n\n<p>page</p>"
	deep := plain
	for i := range maxMailDepth + 1 {
		b := fmt.Sprint("b", i)
		deep = fmt.Sprintf("Content-Type: multipart/mixed; boundary=%s\n\n--%s\n%s\n--%s--\n", b, b, deep, b)
	}
	for name, c := range map[string]struct {
		raw     string
		unicode bool
		want    string
		code    schemas.Code
	}{
		"quoted-printable in windows-1251": {"Content-Type: text/plain; charset=windows-1251\nContent-Transfer-Encoding: quoted-printable\n\n=CF=F0=E8=E2=E5=F2", false, "Привет", 0},
		"base64 in koi8-r":                 {"Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n8NLJ18XU", false, "Привет", 0},
		"8 bit in windows-1251":            {"Content-Type: text/plain; charset=windows-1251\nContent-Transfer-Encoding: 8bit\n\n\xcf\xf0\xe8\xe2\xe5\xf2", false, "Привет", 0},
		"the same, read by somebody":       {"Content-Type: text/plain; charset=windows-1251\nContent-Transfer-Encoding: 8bit\n\nПривет", true, "Привет", 0},
		"a charset of nobody":              {"Content-Type: text/plain; charset=klingon\n\nnuqneH", false, "nuqneH", 0},
		"an encoding of nobody":            {"Content-Type: text/plain\nContent-Transfer-Encoding: x-rot13\n\nuryyb", false, "", schemas.CodeFieldsMissing},
		"plain before its page":            {multipart("alternative", plain, page), false, "plain", 0},
		"a page alone":                     {multipart("alternative", "Content-Type: text/plain\n\n \n", page), false, "page", 0},
		"an attachment":                    {multipart("mixed", plain, "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nno", "Content-Type: application/pdf\n\nno"), false, "plain", 0},
		"cut off":                          {"Content-Type: multipart/mixed; boundary=x\n\n--x\n" + plain, false, "plain", 0},
		"a broken part":                    {multipart("mixed", plain, "no header\n\nno"), false, "plain", 0},
		"no boundary":                      {"Content-Type: multipart/mixed\n\n" + plain, false, "", schemas.CodeFieldsMissing},
		"parts in parts in parts":          {deep, false, "", schemas.CodeInvalid},
		"a thousand parts":                 {multipart("mixed", strings.Repeat(plain+"\n--x\n", 1000)), false, "", schemas.CodeInvalid},
		"a header without end":             {"X-A: " + strings.Repeat("a", maxHeaderBytes), false, "", schemas.CodeInvalid},
		"a page with all there is": {"Content-Type: text/html\n\n<html><head><title>t</title><style>p{}</style><script>alert(1)</script></head><body><p>One &amp;\n two</p><p>Three<br>four<br><br>five</p>" +
			"<table><tr><td>a</td><td>b</td></tr></table><ul><li>c<li>d</ul><div class=gmail_attr>On Mon, 20 Oct 2025, Ann wrote:</div><blockquote><p>old</p><blockquote>older</blockquote></blockquote></body>",
			false, "One & two\n\nThree\nfour\n\nfive\n\na b\nc\nd", 0},
		"hostile words": {"Content-Type: text/plain; charset=utf-8\n\n=cmd() <script>\x00\u202eabc", false, "=cmd() <script>abc", 0},
		"no words":      {"\n", false, "", schemas.CodeFieldsMissing},
	} {
		t.Run(name, func(t *testing.T) {
			raw := []byte(head + c.raw)
			utterances, _, _, err := ParseMail(Thread{Mails: []Mail{{Raw: raw, Unicode: c.unicode}}})
			var coded *schemas.Error
			if errors.As(err, &coded) != (c.code != 0) || coded != nil && coded.Code != c.code || coded == nil && err != nil {
				t.Fatalf("got %v, want code %d", err, c.code)
			}
			if c.code == 0 && utterances[0].Text != c.want {
				t.Errorf("got  %q\nwant %q", utterances[0].Text, c.want)
			}
		})
	}
	for _, raw := range []string{"", "hello", "\x00\x01", "{}", "X: y\n\nno sender, no date, no subject"} {
		if _, _, _, err := ParseMail(Thread{Mails: mails(raw)}); err == nil || !strings.Contains(err.Error(), "RFC 5322") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// Megabytes of the worst take seconds, not minutes (the race detector included),
// and no more than ten are taken.
func TestHostileMail(t *testing.T) {
	const head = "From: a@b.c\nDate: Mon, 20 Oct 2025 10:00:00 +0000\n"
	fill := func(prefix, s string) []byte {
		return append([]byte(prefix), bytes.Repeat([]byte(s), (schemas.MaxTextBytes/4-len(prefix))/len(s))...)
	}
	for name, raw := range map[string][]byte{
		"lines":           fill(head+"\n", "a\n"),
		"introductions":   fill(head+"\n", "On 1 wrote:\n"),
		"headers below":   fill(head+"\n", "From: a\nx\n"),
		"one line":        fill(head+"\n", "a"),
		"quotes in HTML":  fill(head+"Content-Type: text/html\n\n", "<blockquote>a"),
		"tags":            fill(head+"Content-Type: text/html\n\n", "<br>"),
		"one tag":         fill(head+"Content-Type: text/html\n\n<a href='", "a"),
		"half boundaries": fill(head+"Content-Type: multipart/mixed; boundary=x\n\n", "\n--"),
		"empty messages":  fill("", "From a@b.c Mon Oct 20 07:30:00 2025\nFrom: a\n\n"),
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, _, _, err := ParseMail(Thread{Mails: []Mail{{Raw: raw}}})
			if _, ours := schemas.RecordFault(err); err != nil && !ours {
				t.Error(err)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	_, _, _, err := ParseMail(Thread{Mails: []Mail{{Raw: make([]byte, schemas.MaxTextBytes+1)}}})
	var coded *schemas.Error
	if !errors.As(err, &coded) || coded.Code != schemas.CodeTooLarge {
		t.Errorf("11 MB: %v", err)
	}
}
