package schemas

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/shopspring/decimal"
	"golang.org/x/text/currency"
)

//go:embed plans.yaml
var plansYAML []byte

// PriceList is what can be subscribed to and what it costs (seed section 12).
// Amounts are exact decimals, by ISO 4217 currency.
type PriceList struct {
	Currency  string           `yaml:"currency"` // the one that every price is given in
	Rates     map[string]Rates `yaml:"rates"`
	Plans     []Plan           `yaml:"plans"`
	OnPremise []Item           `yaml:"on_premise"`
}

// Rates are prices by use.
type Rates struct {
	Minute        decimal.Decimal `yaml:"minute" json:"minute"`               // of a call, analysed
	Chat          decimal.Decimal `yaml:"chat" json:"chat"`                   // per ChatUnitBytes
	Transcription decimal.Decimal `yaml:"transcription" json:"transcription"` // minute of audio without analysis
}

// ChatUnitBytes is what one chat of a plan may have; a longer one is several.
const ChatUnitBytes = 50 << 10

// Plan is what an organisation can subscribe to.
type Plan struct {
	ID          int64            `yaml:"id"`
	Identifier  string           `yaml:"identifier"`
	Name        string           `yaml:"name"`
	Months      int              `yaml:"months"`       // length of a period
	Discount    int64            `yaml:"discount"`     // percent off the base rates
	Unmetered   bool             `yaml:"unmetered"`    // nothing has a price by use
	StorageDays int              `yaml:"storage_days"` // how long interactions are kept
	Limits      map[string]int64 `yaml:"limits"`       // by resource; -1 = unlimited
	Package     amounts          `yaml:"package"`      // price of a period; none: by volume
	// Prices are made of Package, Discount and the list's rates. The list's
	// currency is among them.
	Prices   map[string]Prices `yaml:"-"`
	Currency string            `yaml:"-"` // the list's
}

type amounts = map[string]decimal.Decimal

// Prices are what a plan costs in one currency. Package is nil where the plan is
// paid by volume, or not by use at all.
type Prices struct {
	Package *decimal.Decimal `json:"package,omitempty"`
	Rates
}

// Item is one line of what an installation on the customer's own machines costs.
type Item struct {
	Identifier    string  `yaml:"identifier"`
	En            string  `yaml:"en"`
	Ru            string  `yaml:"ru"`
	DescriptionEn string  `yaml:"description_en"`
	DescriptionRu string  `yaml:"description_ru"`
	OneTime       amounts `yaml:"one_time"`
	Monthly       amounts `yaml:"monthly"`
	MinutesPerDay []int64 `yaml:"minutes_per_day"` // about, from and to
	ChatsPerDay   []int64 `yaml:"chats_per_day"`
}

// DefaultPrices is the price list of the seed.
var DefaultPrices = func() PriceList {
	list, err := ParsePrices(plansYAML)
	if err != nil {
		panic(fmt.Sprintf("plans.yaml: %v", err)) // embedded: cannot fail after the test passed
	}
	return list
}()

// Plans are the plans of DefaultPrices, by identifier.
var Plans = func() map[string]Plan {
	m := map[string]Plan{}
	for _, p := range DefaultPrices.Plans {
		m[p.Identifier] = p
	}
	return m
}()

// ParsePrices reads a price list in the form of plans.yaml. The error names
// everything that is wrong with it.
func ParsePrices(text []byte) (list PriceList, err error) {
	if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
		return list, err
	}
	errs := []error{list.check()}
	for i := range list.Plans {
		p := &list.Plans[i]
		p.Currency, p.Prices = list.Currency, map[string]Prices{}
		errs = append(errs, p.check())
		for code, rates := range list.Rates {
			if prices, ok := p.price(code, rates); ok {
				p.Prices[code] = prices
			}
		}
		if _, ok := p.Prices[list.Currency]; !ok {
			errs = append(errs, fmt.Errorf("plan %s has no package price in %s", p.Identifier, list.Currency))
		}
	}
	return list, errors.Join(errs...)
}

func (l PriceList) check() error {
	var errs []error
	if _, ok := l.Rates[l.Currency]; !ok {
		errs = append(errs, fmt.Errorf("currency %q has no rates", l.Currency))
	}
	for code, r := range l.Rates {
		errs = append(errs, checkAmounts("rates", amounts{code: decimal.Min(r.Minute, r.Chat, r.Transcription)}))
	}
	seen := map[any]bool{}
	for _, p := range l.Plans {
		if seen[p.ID] || seen[p.Identifier] {
			errs = append(errs, fmt.Errorf("plan %d %q is there twice", p.ID, p.Identifier))
		}
		seen[p.ID], seen[p.Identifier] = true, true
	}
	for _, i := range l.OnPremise {
		errs = append(errs, checkAmounts(i.Identifier, i.OneTime), checkAmounts(i.Identifier, i.Monthly))
	}
	return errors.Join(errs...)
}

func (p *Plan) check() error {
	var errs []error
	if p.ID < 1 || p.Identifier == "" || p.Name == "" || p.Months < 1 || p.Discount < 0 || p.Discount > 100 {
		errs = append(errs, fmt.Errorf("plan %q needs an id, an identifier, a name, months above 0 and a discount of 0 to 100", p.Identifier))
	}
	for resource, limit := range p.Limits {
		if !slices.Contains(Resources, resource) || limit < -1 {
			errs = append(errs, fmt.Errorf("plan %s: %d %s is no limit", p.Identifier, limit, resource))
		}
	}
	return errors.Join(append(errs, checkAmounts("plan "+p.Identifier, p.Package))...)
}

func checkAmounts(of string, all amounts) error {
	for code, value := range all {
		if unit, err := currency.ParseISO(code); err != nil || unit.String() != code || value.IsNegative() {
			return fmt.Errorf("%s: %s %s is no amount of money", of, code, value)
		}
	}
	return nil
}

// price is what the plan costs in a currency, if it has a price in it.
func (p *Plan) price(code string, r Rates) (Prices, bool) {
	if p.Unmetered {
		return Prices{}, true
	}
	part := decimal.NewFromInt(100 - p.Discount).Shift(-2)
	prices := Prices{Rates: Rates{r.Minute.Mul(part), r.Chat.Mul(part), r.Transcription}}
	if value, ok := p.Package[code]; ok {
		prices.Package = &value
	}
	return prices, prices.Package != nil || len(p.Package) == 0
}

// Subscribe returns the subscription that begins at start, on the plan's terms.
func (p Plan) Subscribe(start time.Time) Subscription {
	s := Subscription{
		PlanID: p.ID, Name: p.Name, Identifier: p.Identifier,
		Start: start.UTC(), End: start.UTC().AddDate(0, p.Months, 0),
		Limits: p.Limits, Currency: p.Currency, Prices: p.Prices,
	}
	if value := p.Prices[p.Currency].Package; value != nil {
		s.Price = value.InexactFloat64()
	}
	return s
}

// Cost is what was used in a subscription's period in money of one currency.
type Cost struct {
	Package decimal.Decimal
	Overage decimal.Decimal // what was used beyond the package; all of it where the plan is paid by volume
}

// Used is what was used of a resource in a period.
type Used struct {
	Units       int64
	Transcribed int64 // of them, calls that were transcribed and not analysed
}

// CostIn gives the cost of what was used, by resource, in a currency that the
// subscription has prices in. Of minutes beyond the package those that were
// only transcribed are counted first, at their lower rate, whenever they were.
func (s Subscription) CostIn(code string, used map[string]Used) (cost Cost, ok bool) {
	prices, ok := s.Prices[code]
	if !ok {
		return cost, false
	}
	if prices.Package != nil {
		cost.Package = *prices.Package
	}
	for resource, u := range used {
		rate, priced := prices.rate(resource)
		over := u.Units
		if limit := s.Limits[resource]; limit >= 0 {
			over = max(over-limit, 0)
		}
		if !priced || over == 0 {
			continue
		}
		cheap := min(over, u.Transcribed)
		cost.Overage = cost.Overage.Add(rate.Mul(decimal.NewFromInt(over - cheap))).Add(prices.Transcription.Mul(decimal.NewFromInt(cheap)))
	}
	return cost, true
}

// rate is the price of one unit of a resource, if it has one.
func (r Rates) rate(resource string) (decimal.Decimal, bool) {
	switch resource {
	case ResourceCallMinutes, ResourceVideoMinutes:
		return r.Minute, true
	case ResourceAudioMinutes: // transcribed, not analysed
		return r.Transcription, true
	case ResourceChats:
		return r.Chat, true
	}
	return decimal.Decimal{}, false
}

// Ceiling is how much of a resource may be reserved in the period, -1 without
// end: its limit, unless the subscription goes on at the price of a unit.
func (s Subscription) Ceiling(resource string) int64 {
	if _, priced := (Rates{}).rate(resource); s.Overage && priced {
		return -1
	}
	return s.Limits[resource]
}
