package analyze

import (
	"strings"

	"earshot/schemas"
)

// turns reads a dialogue: "o:" is the operator, "c:" the customer, "s:" a bot,
// "?:" a speaker nobody named.
func turns(dialogue string) (us []schemas.Utterance) {
	roles := map[string]string{"o": schemas.RoleOperator, "c": schemas.RoleCustomer, "s": schemas.RoleSystem, "?": schemas.RoleUnknown}
	for line := range strings.Lines(dialogue) {
		who, text, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok {
			us = append(us, schemas.Utterance{Turn: int64(len(us)), Speaker: roles[who], Channel: -1, Text: text})
		}
	}
	return us
}

const chatRefund = `
c: Hello, I ordered a coffee machine, order 45821, and it arrived broken. I want my money back.
o: Good afternoon! My name is Kate from HomeMart. I am very sorry about that, I understand how frustrating it is.
o: Could you please tell me the phone number the order was placed with?
c: 555-0134. I paid $249.99 for a piece of junk, honestly.
o: Thank you. I can see your order. Would you like a replacement or a refund?
c: A refund. I don't want another one from you.
o: Of course. I have processed the refund of $249.99, it takes up to 3 business days.
c: And what do I do with the broken machine?
o: Our courier will pick it up tomorrow between 10 and 14. I'll send you the return label by email.
c: OK, that is good. Thank you for the quick help.
o: You are welcome! Is there anything else I can help you with?
c: No, that's all. Bye.`

const chatOutageRu = `
c: Здравствуйте! У меня второй день не работает интернет, роутер мигает красным.
o: Добрый день! Меня зовут Олег, компания ТелеСеть. Приношу извинения за неудобства.
o: Назовите, пожалуйста, номер договора.
c: 330912. Я работаю из дома, мне срочно нужен интернет.
o: Понимаю вас, как это неприятно. Сейчас проверю линию.
o: Вижу аварию на вашей улице, бригада уже работает. Связь восстановят сегодня до 18:00.
c: Вчера мне говорили то же самое. Сколько можно ждать?
o: Я зарегистрировал заявку № 77120 и взял её на контроль. Перезвоню вам сегодня в 18:30.
c: Хорошо, но если опять не заработает, я перейду к другому провайдеру.
o: Мы сделаем перерасчёт за эти дни. Могу ещё чем-то помочь?
c: Нет, спасибо. Жду звонка.
o: Спасибо за терпение, хорошего дня!`

const chatNoCancel = `
o: Hello, this is Mark from FitLife. How can I help you?
c: Hi, I got an email that says my membership ends. I'm not going to cancel, I just want to know how to renew it.
o: Thank you for asking. Do you want to cancel or extend it?
c: Extend it, please. I have no complaints, everything is great.
o: I have extended your membership for a year. You will receive a confirmation by email.
c: Perfect, thanks a lot!
o: My pleasure. Have a great day!`

const chatNoComplaintRu = `
o: Здравствуйте, меня зовут Анна, магазин Уют. Слушаю вас.
c: Добрый день. Кресло привезли с царапиной, но жаловаться я не буду, деньги возвращать не надо.
o: Очень жаль, что так получилось. Могу предложить скидку 10 процентов на следующий заказ.
c: Да, меня это устраивает.
o: Я начислил скидку, промокод отправлю вам на почту.
c: Спасибо большое, очень приятно!
o: Рад помочь. Всего доброго!`

const chatPassword = `
c: hi, i cant log in to my account, i forgot my password and the reset link never comes
o: Hello! I'm Tom from support. What is the email of your account?
c: jane@example.com
o: Thank you, Jane. Let me check. The address had a typo, I have updated it and reset your password.
c: great, it works now, i can see my account. thanks!
o: Glad I could help. Have a nice day!`

const chatFraud = `
c: Someone used my card! There is a payment of 400 euros that I did not make. Please block my card immediately!
o: Good evening, this is Ella from City Bank. Please don't worry, I will help you.
o: Could you confirm your date of birth and the last four digits of the card?
c: 12.04.1986, 7731. I am really scared.
o: Thank you. I have blocked the card. I will register a claim and our security team will contact you within 24 hours.
c: Okay. Will I get the money back?
o: The bank investigates such cases within 10 days.
c: I hope so. Thank you.
o: Thank you for your call. Take care.`

const chatRude = `
o: Что вам надо?
c: Мне дважды списали деньги за телефон! Верните деньги!
o: Это ваши проблемы. Ждите.
c: Вы издеваетесь? Соедините меня с руководителем, иначе подам в суд!
o: Руководитель занят. Ничем не могу помочь.
c: Безобразие! Больше никогда не буду у вас обслуживаться, расторгаю договор.`

const chatSaleRu = `
o: Добрый день, меня зовут Ирина, компания Облако. Вам удобно говорить?
c: Да, здравствуйте.
o: Хочу предложить вам новый тариф «Бизнес»: 900 рублей в месяц, первый месяц бесплатно.
c: Интересно. А сколько пользователей входит?
o: До десяти. Сколько у вас сотрудников?
c: Семь. А скидка при годовой оплате есть?
o: Да, пятнадцать процентов.
c: Отлично, давайте оформим. Выставляйте счёт.
o: Счёт отправлю вам на почту сегодня. Спасибо за доверие, хорошего дня!
c: Спасибо!`

const chatEsim = `
c: Good morning. I would like to activate an eSIM on my new phone and get a static IP for remote access.
o: Good morning, Smile Telecom, my name is Olga. I'll be glad to help. Could you tell me your phone number, please?
c: Sure, it's 0501234567.
o: Thank you. Go to settings, choose cellular and scan the QR code. I will send you the code by SMS now.
c: Great. And what APN should I use?
o: The APN is internet. I will check the outages in your area and call you back today.
c: Wonderful, thank you so much, you explained everything very clearly.
o: You're welcome! Is there anything else? Have a lovely day.`

const chatHours = `
c: Hello, what are your opening hours on Sunday?
o: Hello! We are open from 10 to 18 on Sundays.
c: Thanks!
o: You're welcome.`

const chatSarcasm = `
c: Oh great, my parcel is lost again. This is the third time I write to you!
o: I already told you, we are looking into it.
c: You said that last week. Still nothing. I will leave a one star review.
o: The courier service will answer within 5 days.
c: Whatever. This is not helpful at all.`

const chatUnlabelled = `
?: Thank you for calling Metro Water, my name is Sam, how can I help you?
?: Hi, I have a question about my bill. It is twice as high as last month and I am quite upset.
?: I'm sorry to hear that. May I have your account number, please?
?: It is 88213.
?: I can see that the meter reading was wrong. I will correct the bill today.
?: Oh, that is a relief. Thank you very much.
?: You are welcome. Have a good day.`
