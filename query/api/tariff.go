package api

import (
	"encoding/json"
	"math"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/shopspring/decimal"

	"earshot/schemas"
	"earshot/sinks/state"
)

// loginTariff is the plan as POST /auth/login shows it.
type loginTariff struct {
	ID         int64           `json:"id"`
	Name       string          `json:"name"`
	Identifier string          `json:"identifier"`
	DaysLeft   int64           `json:"days_left"`
	StartDate  string          `json:"start_date"`
	EndDate    string          `json:"end_date"`
	Remaining  availableTokens `json:"remaining_resources"`
	Usage      usedTokens      `json:"usage"`
	enabled
}

type availableTokens struct {
	AudioMinutes int64 `json:"available_audio_minutes"`
	CallMinutes  int64 `json:"available_call_minutes"`
	TextTokens   int64 `json:"available_text_tokens"`
	ImageTokens  int64 `json:"available_image_tokens"`
}

type usedTokens struct {
	AudioMinutes int64 `json:"used_audio_minutes"`
	CallMinutes  int64 `json:"used_call_minutes"`
	TextTokens   int64 `json:"used_text_tokens"`
	ImageTokens  int64 `json:"used_image_tokens"`
}

type enabled struct {
	Transcription bool `json:"transcription_enabled"`
	Images        bool `json:"image_generation_enabled"`
	Calls         bool `json:"calls_enabled"`
}

type tariffAnswer struct {
	Success   bool   `json:"success"`
	ErrorCode int64  `json:"error_code"`
	Plain     int64  `json:"errorcode"` // the seed's spelling, here only
	Tariff    tariff `json:"tariff"`
}

// tariff is the plan as GET /user/tariff shows it.
type tariff struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Identifier  string `json:"identifier"`
	DaysLeft    int64  `json:"days_left"`
	TextTokens  int64  `json:"text_tokens"`
	ImageTokens int64  `json:"image_tokens"`
	Limits      struct {
		AudioMinutes int64 `json:"audio_minutes"`
		CallMinutes  int64 `json:"call_minutes"`
		TextTokens   int64 `json:"text_tokens"`
		ImageTokens  int64 `json:"image_tokens"`
		ReportCount  int64 `json:"report_count"`
		VideoMinutes int64 `json:"video_minutes"`
		ChatCount    int64 `json:"chat_count"`
		DailyReports int64 `json:"daily_report_count"` // of ours
	} `json:"limits"`
	Remaining struct {
		availableTokens
		ReportCount  int64 `json:"available_report_count"`
		VideoMinutes int64 `json:"available_video_minutes"`
		ChatCount    int64 `json:"available_chat_count"`
		DailyReports int64 `json:"available_daily_report_count"`
	} `json:"remaining_resources"`
	Usage struct {
		usedTokens
		ReportCount  int64 `json:"used_report_count"`
		VideoMinutes int64 `json:"used_video_minutes"`
		ChatCount    int64 `json:"used_chat_count"`
		DailyReports int64 `json:"used_daily_report_count"`
	} `json:"usage"`
	enabled
	StartDate string `json:"start_date"`
	EndDate   string `json:"end_date"`
	Price     *price `json:"price,omitempty"`
	Overage   bool   `json:"overage"`        // of ours: beyond the limits it goes on, at the price of a unit
	Cost      *cost  `json:"cost,omitempty"` // of ours
}

type price struct {
	Currency string      `json:"currency"`
	Value    json.Number `json:"value"` // exact
}

// cost is what was used in the period so far, in money: exact decimals, not
// rounded. What running tasks hold is not in it.
type cost struct {
	Currency string      `json:"currency"`
	Package  json.Number `json:"package"`
	Overage  json.Number `json:"overage"`
	Total    json.Number `json:"total"`
}

func number(d decimal.Decimal) json.Number { return json.Number(d.String()) }

// tariff answers with the current plan: what is in it, used and left, and what
// it costs in the currency of the region of Accept-Language. 4044 when there is
// none.
func (a *API) tariff(c *fiber.Ctx) error {
	q, err := a.Store.Quota(c.UserContext(), callOf(c.Context()).user.Org)
	if err != nil {
		return err
	}
	t := newTariff(q, time.Now())
	t.setPrices(q, c.Request().Header.Peek(fiber.HeaderAcceptLanguage))
	return a.ok(c, tariffAnswer{Success: true, Tariff: t})
}

func (t *tariff) setPrices(q state.Quota, acceptLanguage []byte) {
	t.Overage = q.Overage
	currency := currencyOf(acceptLanguage, q.Prices, q.Currency)
	switch value := q.Prices[currency].Package; {
	case value != nil:
		t.Price = &price{currency, number(*value)}
	case currency != "": // nothing is paid but what is used
		t.Price = &price{currency, "0"}
	case q.Currency != "": // agreed before there were price lists
		t.Price = &price{q.Currency, number(decimal.NewFromFloat(q.Price))}
	}
	used := map[string]schemas.Used{}
	for resource, amount := range q.Resources {
		used[resource] = schemas.Used{Units: amount.Used, Transcribed: amount.Transcribed}
	}
	if c, ok := q.CostIn(currency, used); ok {
		t.Cost = &cost{currency, number(c.Package), number(c.Overage), number(c.Package.Add(c.Overage))}
	}
}

// unlimited is shown as limit and as what is left of a resource without limit.
const unlimited = -1

// amount is one resource as it is shown. Used is what is not available any
// more: used up, or held by tasks that are running ("calculated as limit -
// remaining" in the seed).
type amount struct{ limit, available, used int64 }

func amountOf(q state.Quota, resource string) amount {
	a := q.Resources[resource]
	if a.Limit < 0 {
		return amount{unlimited, unlimited, a.Used + a.Reserved}
	}
	left := a.Left()
	return amount{a.Limit, left, max(a.Limit-left, 0)}
}

func newLoginTariff(q state.Quota, now time.Time) *loginTariff {
	t := newTariff(q, now)
	return &loginTariff{t.ID, t.Name, t.Identifier, t.DaysLeft, t.StartDate, t.EndDate, t.Remaining.availableTokens, t.Usage.usedTokens, t.enabled}
}

func newTariff(q state.Quota, now time.Time) (t tariff) {
	t.ID, t.Name, t.Identifier = q.PlanID, q.Name, q.Identifier
	t.DaysLeft = max(int64(math.Ceil(q.End.Sub(now).Hours()/24)), 0)
	t.StartDate, t.EndDate = precise(q.Start), precise(q.End)
	for resource, into := range map[string][3]*int64{
		schemas.ResourceAudioMinutes: {&t.Limits.AudioMinutes, &t.Remaining.AudioMinutes, &t.Usage.AudioMinutes},
		schemas.ResourceCallMinutes:  {&t.Limits.CallMinutes, &t.Remaining.CallMinutes, &t.Usage.CallMinutes},
		schemas.ResourceTextTokens:   {&t.Limits.TextTokens, &t.Remaining.TextTokens, &t.Usage.TextTokens},
		schemas.ResourceImageTokens:  {&t.Limits.ImageTokens, &t.Remaining.ImageTokens, &t.Usage.ImageTokens},
		schemas.ResourceReports:      {&t.Limits.ReportCount, &t.Remaining.ReportCount, &t.Usage.ReportCount},
		schemas.ResourceVideoMinutes: {&t.Limits.VideoMinutes, &t.Remaining.VideoMinutes, &t.Usage.VideoMinutes},
		schemas.ResourceChats:        {&t.Limits.ChatCount, &t.Remaining.ChatCount, &t.Usage.ChatCount},
		schemas.ResourceDailyReports: {&t.Limits.DailyReports, &t.Remaining.DailyReports, &t.Usage.DailyReports},
	} {
		a := amountOf(q, resource)
		*into[0], *into[1], *into[2] = a.limit, a.available, a.used
	}
	t.TextTokens, t.ImageTokens = t.Remaining.TextTokens, t.Remaining.ImageTokens
	t.Transcription, t.Images, t.Calls = t.Limits.AudioMinutes != 0, t.Limits.ImageTokens != 0, t.Limits.CallMinutes != 0
	return t
}
