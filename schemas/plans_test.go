package schemas

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

func money(s string) decimal.Decimal { return decimal.RequireFromString(s) }

// Seed section 12, line by line.
func TestPricesOfTheSeed(t *testing.T) {
	if DefaultPrices.Currency != "EUR" {
		t.Error(DefaultPrices.Currency)
	}
	for _, c := range []struct {
		plan, pack, minute, chat, transcription string
		minutes, chats, reports                 int64
	}{
		{"pro", "400", "0.08", "0.01", "0.02", 5000, 5000, 31},
		{"enterprise", "600", "0.072", "0.009", "0.02", 10000, 10000, 31},
		{"enterprise_plus", "", "0.064", "0.008", "0.02", -1, -1, 31},
		{"on_premise", "", "0", "0", "0", -1, -1, -1},
	} {
		p := Plans[c.plan]
		prices := p.Prices["EUR"]
		pack := ""
		if prices.Package != nil {
			pack = prices.Package.String()
		}
		if got := []string{pack, prices.Minute.String(), prices.Chat.String(), prices.Transcription.String()}; !reflect.DeepEqual(got, []string{c.pack, c.minute, c.chat, c.transcription}) {
			t.Errorf("%s costs %v", c.plan, got)
		}
		if p.Limits[ResourceCallMinutes] != c.minutes || p.Limits[ResourceChats] != c.chats || p.Limits[ResourceReports] != c.reports ||
			p.Limits[ResourceDailyReports] != c.reports || p.StorageDays != 365 || p.ID == 0 {
			t.Errorf("%s: %+v", c.plan, p)
		}
		for _, r := range Resources {
			if _, ok := p.Limits[r]; !ok {
				t.Errorf("plan %s says nothing of %s", c.plan, r)
			}
		}
	}
	if base := DefaultPrices.Rates["EUR"]; base.Minute.String() != "0.08" || base.Chat.String() != "0.01" || ChatUnitBytes != 50<<10 {
		t.Errorf("base rates: %+v", base)
	}
	got, once := map[string]string{}, decimal.Zero
	for _, i := range DefaultPrices.OnPremise {
		once = once.Add(i.OneTime["EUR"])
		got[i.Identifier] = i.OneTime["EUR"].String() + "+" + i.Monthly["EUR"].String()
		if i.En == "" || i.Ru == "" || i.DescriptionEn == "" || i.DescriptionRu == "" {
			t.Errorf("%+v", i)
		}
	}
	if want := map[string]string{"hardware": "26000+0", "licence": "16000+0", "support": "0+1900"}; !reflect.DeepEqual(got, want) || once.String() != "42000" {
		t.Errorf("on-premise: %v, %s once", got, once)
	}
}

// A subscription says the same after it went through the log.
func TestCostIsExact(t *testing.T) {
	custom := func(base string, limits map[string]int64) Subscription {
		s := Plans[base].Subscribe(time.Now())
		if limits != nil {
			s.Limits = limits
		}
		return s
	}
	for _, c := range []struct {
		name          string
		s             Subscription
		used          map[string]Used
		pack, overage string
	}{
		{"nothing used", custom("pro", nil), nil, "400", "0"},
		{"within the package", custom("pro", nil), map[string]Used{ResourceCallMinutes: {Units: 5000}, ResourceChats: {Units: 5000}}, "400", "0"},
		{"one more of each", custom("enterprise", nil), map[string]Used{ResourceCallMinutes: {Units: 10001}, ResourceChats: {Units: 10001}, ResourceVideoMinutes: {Units: 10001}, ResourceAudioMinutes: {Units: 10001}}, "600", "0.173"},
		{"by volume", custom("enterprise_plus", nil), map[string]Used{ResourceCallMinutes: {Units: 12345}, ResourceChats: {Units: 6789}}, "0", "844.392"},
		{"some only transcribed", custom("enterprise_plus", nil), map[string]Used{ResourceCallMinutes: {Units: 10, Transcribed: 4}}, "0", "0.464"},
		{"only transcribed, beyond the package", custom("pro", nil), map[string]Used{ResourceCallMinutes: {Units: 5003, Transcribed: 2}}, "400", "0.12"},
		{"reports have no price", custom("enterprise", nil), map[string]Used{ResourceReports: {Units: 40}}, "600", "0"},
		{"on premise", custom("on_premise", nil), map[string]Used{ResourceCallMinutes: {Units: 1e9}}, "0", "0"},
		{"tenths that no float has", custom("pro", map[string]int64{}), map[string]Used{ResourceChats: {Units: 3}, ResourceCallMinutes: {Units: 1}}, "400", "0.11"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(c.s)
			if err != nil {
				t.Fatal(err)
			}
			var s Subscription
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			cost, ok := s.CostIn("EUR", c.used)
			if !ok || !cost.Package.Equal(money(c.pack)) || !cost.Overage.Equal(money(c.overage)) {
				t.Errorf("%s + %s (%v), want %s + %s", cost.Package, cost.Overage, ok, c.pack, c.overage)
			}
			if _, ok := s.CostIn("USD", c.used); ok {
				t.Error("a price in a currency that has none")
			}
		})
	}
}

func TestOverageLiftsWhatHasAPrice(t *testing.T) {
	s := Plans["pro"].Subscribe(time.Now())
	for _, overage := range []bool{false, true} {
		s.Overage = overage
		for resource, priced := range map[string]bool{ResourceCallMinutes: true, ResourceAudioMinutes: true, ResourceVideoMinutes: true, ResourceChats: true,
			ResourceReports: false, ResourceDailyReports: false, ResourceImageTokens: false} {
			want := s.Limits[resource]
			if overage && priced {
				want = -1
			}
			if got := s.Ceiling(resource); got != want {
				t.Errorf("overage %v: %d %s, want %d", overage, got, resource, want)
			}
		}
	}
}

const smallList = `currency: USD
rates:
  USD: {minute: 0.1, chat: 0.02, transcription: 0.03}
  RUB: {minute: 8, chat: 1, transcription: 2}
plans:
- {id: 1, identifier: a, name: A, months: 1, discount: 15, package: {USD: 99.9, RUB: 9000}, limits: {call_minutes: 5}}
- {id: 2, identifier: b, name: B, months: 1, package: {USD: 5}, limits: {}}
`

func TestAPriceListOfOnesOwn(t *testing.T) {
	list, err := ParsePrices([]byte(smallList))
	if err != nil {
		t.Fatal(err)
	}
	a, b := list.Plans[0], list.Plans[1]
	if p := a.Prices["USD"]; p.Package.String() != "99.9" || p.Minute.String() != "0.085" || p.Chat.String() != "0.017" || p.Transcription.String() != "0.03" {
		t.Errorf("%+v", p)
	}
	if p := a.Prices["RUB"]; p.Package.String() != "9000" || p.Minute.String() != "6.8" {
		t.Errorf("%+v", p)
	}
	if _, ok := b.Prices["RUB"]; ok {
		t.Error("a package without a price in roubles has one")
	}
	if s := a.Subscribe(time.Now()); s.Currency != "USD" || s.Price != 99.9 {
		t.Errorf("%+v", s)
	}
	for name, change := range map[string][2]string{
		"an unknown field":        {"months: 1", "month: 1"},
		"no such currency":        {"RUB", "DUCATS"},
		"a currency in lowercase": {"RUB", "rub"},
		"a negative price":        {"99.9", "-1"},
		"a negative rate":         {"chat: 1,", "chat: -1,"},
		"no such resource":        {"call_minutes", "minutes"},
		"an id twice":             {"id: 2", "id: 1"},
		"a discount above all":    {"discount: 15", "discount: 101"},
		"no rates":                {"currency: USD", "currency: EUR"},
		"no package price":        {"package: {USD: 5}", "package: {RUB: 5}"},
		"no number":               {"99.9", "cheap"},
		"no YAML":                 {"plans:", "plans"},
	} {
		if _, err := ParsePrices([]byte(strings.ReplaceAll(smallList, change[0], change[1]))); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
