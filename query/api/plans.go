package api

import (
	"encoding/json"

	"github.com/gofiber/fiber/v2"
	"github.com/shopspring/decimal"

	"earshot/schemas"
)

// plansAnswer is the price list of seed section 12. Amounts are exact decimals
// in Currency, but where an amount says another: a price is shown in the
// currency of the caller's region only where it was given in it.
type plansAnswer struct {
	Success   bool      `json:"success"`
	ErrorCode int64     `json:"error_code"`
	Currency  string    `json:"currency"`
	Rates     rates     `json:"rates"`
	ChatBytes int64     `json:"chat_bytes"` // what one chat may have; a longer one is several
	Plans     []planRow `json:"plans"`
	OnPremise []item    `json:"on_premise"`
}

type rates struct {
	Minute        json.Number `json:"minute"`
	Chat          json.Number `json:"chat"`
	Transcription json.Number `json:"transcription"`
}

type planRow struct {
	ID          int64            `json:"id"`
	Identifier  string           `json:"identifier"`
	Name        string           `json:"name"`
	Months      int              `json:"months"`
	Discount    int64            `json:"discount"` // percent
	StorageDays int              `json:"storage_days"`
	Price       *price           `json:"price"` // of a period; null: by volume, or not by use
	Currency    string           `json:"currency"`
	Rates       rates            `json:"rates"`  // of a unit, inside the package and beyond it
	Limits      map[string]int64 `json:"limits"` // of a period, by resource; -1 is unlimited
}

type item struct {
	Identifier    string  `json:"identifier"`
	Name          string  `json:"name"`
	Description   string  `json:"description"`
	OneTime       *price  `json:"one_time"`
	Monthly       *price  `json:"monthly"`
	MinutesPerDay []int64 `json:"minutes_per_day,omitempty"` // about, from and to
	ChatsPerDay   []int64 `json:"chats_per_day,omitempty"`
}

func ratesOf(r schemas.Rates) rates {
	return rates{number(r.Minute), number(r.Chat), number(r.Transcription)}
}

// priceIn is an amount in the currency of a region; nil when there is none.
func priceIn(header []byte, amounts map[string]decimal.Decimal, byDefault string) *price {
	code := currencyOf(header, amounts, byDefault)
	if code == "" {
		return nil
	}
	return &price{code, number(amounts[code])}
}

// plans answers GET /plans, an endpoint of our own: what there is to subscribe
// to and what it costs, by region and language of Accept-Language.
func (a *API) plans(c *fiber.Ctx) error {
	list, header := a.Accounts.Prices(), c.Request().Header.Peek(fiber.HeaderAcceptLanguage)
	code := currencyOf(header, list.Rates, list.Currency)
	out := plansAnswer{Success: true, Currency: code, Rates: ratesOf(list.Rates[code]), ChatBytes: schemas.ChatUnitBytes}
	for _, p := range list.Plans {
		code := currencyOf(header, p.Prices, p.Currency)
		prices := p.Prices[code]
		row := planRow{ID: p.ID, Identifier: p.Identifier, Name: p.Name, Months: p.Months, Discount: p.Discount, StorageDays: p.StorageDays,
			Currency: code, Rates: ratesOf(prices.Rates), Limits: p.Limits}
		if prices.Package != nil {
			row.Price = &price{code, number(*prices.Package)}
		}
		out.Plans = append(out.Plans, row)
	}
	lang := callOf(c.Context()).lang
	for _, i := range list.OnPremise {
		name, description := i.En, i.DescriptionEn
		if lang == "ru" {
			name, description = i.Ru, i.DescriptionRu
		}
		out.OnPremise = append(out.OnPremise, item{i.Identifier, name, description, priceIn(header, i.OneTime, list.Currency), priceIn(header, i.Monthly, list.Currency), i.MinutesPerDay, i.ChatsPerDay})
	}
	return a.ok(c, out)
}
