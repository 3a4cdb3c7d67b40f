package bi

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"earshot/schemas"
)

// as runs a query with the rights and row policies of an organisation's account: a view reads as its definer does.
func as(t *testing.T, org, sql string) ([][]string, error) {
	t.Helper()
	if err := db.Exec(t.Context(), "CREATE OR REPLACE VIEW as_account DEFINER = "+quoteName(prefix+org)+" SQL SECURITY DEFINER AS "+sql); err != nil {
		return nil, err
	}
	_, all, err := tryRows(t.Context(), db, "SELECT * FROM as_account")
	return all, err
}

func codeOf(err error) int32 {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestAnAccountSeesItsOrganisationOnly(t *testing.T) {
	for org := range organisations {
		for _, view := range schemas.BIViews {
			all, err := as(t, org, "SELECT DISTINCT org FROM "+view)
			if err != nil || len(all) != 1 || all[0][0] != org {
				t.Errorf("%s sees %v of %s: %v", org, all, view, err)
			}
		}
	}
	for _, c := range []struct {
		name, sql, want string
		code            int32
	}{
		{"asked for another", "SELECT count() FROM bi_interactions WHERE org = 'org_2'", "0", 0},
		{"asked for all", "SELECT uniqExact(org) FROM bi_operators_daily WHERE org != '' OR 1", "1", 0},
		{"by code", "SELECT count() FROM bi_segments WHERE task_code IN (SELECT task_code FROM bi_segments WHERE org = 'org_2')", "0", 0},
		{"joined", "SELECT uniqExact(a.org) FROM bi_interactions AS a CROSS JOIN bi_operators_daily AS b WHERE b.org = 'org_2' OR a.org = 'org_1'", "1", 0},
		{"in parts", "SELECT sum(n) FROM (SELECT count() AS n FROM bi_interactions WHERE org = 'org_2' UNION ALL SELECT count() FROM bi_checklist_answers WHERE org = 'org_2')", "0", 0},
		{"seen in an error", "SELECT count() FROM bi_interactions WHERE throwIf(org = 'org_2') = 1", "0", 0},
		{"seen in a division", "SELECT toUInt8(sum(intDiv(1, org = 'org_1')) > 0) FROM bi_segments", "1", 0},
		{"the table", "SELECT count() FROM interactions", "", accessDenied},
		{"turns in the table", "SELECT count() FROM segments", "", accessDenied},
		{"the audit", "SELECT count() FROM audit", "", accessDenied},
		{"the ledger", "SELECT count() FROM usage", "", accessDenied},
		{"a file", "SELECT * FROM file('/etc/passwd', 'LineAsString')", "", accessDenied},
		{"a URL", "SELECT * FROM url('http://127.0.0.1:1', 'LineAsString', 's String')", "", accessDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := as(t, "org_1", c.sql)
			if codeOf(err) != c.code || err == nil && (len(all) != 1 || all[0][0] != c.want) {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
}

// A condition that fails on a row tells that the row is there: none is asked of rows of others, whatever the engine moves before what.
func TestNoConditionIsAskedOfTheRowsOfOthers(t *testing.T) {
	for view, conditions := range map[string][]string{
		"bi_interactions":      {"csat = 0", "summary LIKE '%told to org_2%'", "operator = 'Operator of org_2'"},
		"bi_operators_daily":   {"operator = 'Operator of org_2'"},
		"bi_checklist_answers": {"operator = 'Operator of org_2'", "question LIKE '%asked by org_2%'"},
		"bi_segments":          {"text LIKE '%as it was%'"},
	} {
		for _, condition := range conditions {
			if _, all := rows(t, db, "SELECT countIf(org = 'org_2') > 0, countIf(org = 'org_1') FROM "+view+" WHERE "+condition); strings.Join(all[0], " ") != "true 0" && strings.Join(all[0], " ") != "1 0" {
				t.Fatalf("%s of %s is of both: %v", condition, view, all)
			}
			for _, early := range []int{0, 1} {
				ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"optimize_move_to_prewhere": early, "optimize_move_to_prewhere_if_final": early}))
				for _, sql := range []string{
					"SELECT count() FROM " + view + " WHERE throwIf(ifNull(" + condition + ", 0)) = 0",
					"SELECT count() FROM " + view + " WHERE throwIf(ifNull(" + condition + ", 0)) = 0 SETTINGS optimize_move_to_prewhere_if_final = 1",
					"SELECT sum(throwIf(ifNull(" + condition + ", 0))) FROM " + view,
				} {
					if err := db.Exec(t.Context(), "CREATE OR REPLACE VIEW as_account DEFINER = "+quoteName(prefix+"org_1")+" SQL SECURITY DEFINER AS "+sql); err != nil {
						t.Fatal(err)
					}
					if _, all, err := tryRows(ctx, db, "SELECT * FROM as_account"); err != nil || len(all) != 1 {
						t.Errorf("%s, early %d: %v, %v", sql, early, all, err)
					}
				}
			}
		}
	}
}

// The engine reads each statement as it is meant, and does it as far as it can: chDB has no place to keep accounts in.
func TestStatementsAreClickHouses(t *testing.T) {
	limits := Limits{Seconds: 30, Memory: 1024, Rows: 1000, Result: 100}
	for _, c := range []struct {
		begins, want string
		code         int32
	}{
		{"CREATE USER", "CREATE USER earshot_bi_org_3 IDENTIFIED WITH sha256_hash BY '", noStorage},
		{"CREATE ROW POLICY", "CREATE ROW POLICY OR REPLACE earshot_bi_org_3 ON default.bi_interactions FOR SELECT USING org = 'org_3' TO earshot_bi_org_3", 511},
		{"REVOKE", "REVOKE ALL ON *.* FROM earshot_bi_org_3", 511},
		{"GRANT", "GRANT SELECT ON default.bi_interactions TO earshot_bi_org_3", 511},
	} {
		t.Run(c.begins, func(t *testing.T) {
			for _, s := range statements("default", "org_3", "password", limits) {
				if !strings.HasPrefix(s, c.begins) {
					continue
				}
				var formatted string
				if err := db.QueryRow(t.Context(), "SELECT formatQuerySingleLine({sql:String})", clickhouse.Named("sql", s)).Scan(&formatted); err != nil || !strings.HasPrefix(formatted, c.want) {
					t.Errorf("%s is read as %s: %v", s, formatted, err)
				}
				// chDB has this one switch of a server off.
				if err := db.Exec(t.Context(), strings.ReplaceAll(s, " CHANGEABLE_IN_READONLY", "")); codeOf(err) != c.code {
					t.Errorf("%s: %v", s, err)
				}
				return
			}
			t.Error("there is no such statement")
		})
	}
	for name, value := range map[string]string{"max_execution_time": "30", "max_memory_usage": "1073741824", "max_rows_to_read": "1000", "max_result_rows": "100"} {
		if want := name + " = " + value + " MIN 1 MAX " + value + " CHANGEABLE_IN_READONLY"; !strings.Contains(limits.settings(), want) {
			t.Errorf("%s lacks %s", limits.settings(), want)
		}
	}
}

// half is a ClickHouse that keeps accounts, until it fails.
type half struct {
	driver.Conn
	left int
}

func (h *half) Exec(context.Context, string, ...any) error {
	if h.left--; h.left < 0 {
		return errors.New("connection refused")
	}
	return nil
}

// An account that was made, but not whole, has a password that was shown to nobody.
func TestACreationThatFailsHalfWaySaysHowToGoOn(t *testing.T) {
	for left := range len(statements("default", "org_3", "password", Limits{})) {
		user, password, err := New(&half{db, left}).Create(t.Context(), "org_3", Limits{1, 1, 1, 1})
		if user != "earshot_bi_org_3" || password != "" || err == nil || strings.Contains(err.Error(), "earshot admin bi rotate org_3") != (left > 0) {
			t.Errorf("after %d statements: %q, %q, %v", left, user, password, err)
		}
	}
	if _, password, err := New(&half{db, 100}).Create(t.Context(), "org_3", Limits{1, 1, 1, 1}); err != nil || len(password) < 20 {
		t.Errorf("%q, %v", password, err)
	}
	_, password, err := New(&half{db, 1}).Create(t.Context(), "org_2", Limits{1, 1, 1, 1})
	if err == nil || password != "" || strings.Contains(err.Error(), "rotate") {
		t.Errorf("an account that was there: %q, %v", password, err)
	}
}

func TestWhatGoesWrongIsExplained(t *testing.T) {
	accounts := New(db)
	if _, _, err := accounts.Create(t.Context(), "org_3", Limits{1, 1, 1, 1}); err == nil || !strings.Contains(err.Error(), "EARSHOT_CLICKHOUSE_USER") {
		t.Errorf("create on a ClickHouse without accounts: %v", err)
	}
	if _, _, err := accounts.Rotate(t.Context(), "org_3"); err == nil || !strings.Contains(err.Error(), "earshot admin bi create") {
		t.Errorf("rotate without an account: %v", err)
	}
	if _, err := accounts.Drop(t.Context(), "org_3"); err != nil {
		t.Errorf("drop without an account: %v", err)
	}
	if _, err := New(reader).Drop(t.Context(), "org_3"); err == nil || !strings.Contains(err.Error(), "access_management") {
		t.Errorf("drop without the right: %v", err)
	}
	for _, org := range []string{"", "a b", "x'; DROP TABLE interactions", "a`b", strings.Repeat("a", 65)} {
		var coded *schemas.Error
		if _, _, err := accounts.Create(t.Context(), org, Limits{}); !errors.As(err, &coded) || coded.Code != schemas.CodeUserInvalid {
			t.Errorf("create %q: %v", org, err)
		}
	}
	if orgs, err := accounts.List(t.Context()); err != nil || strings.Join(orgs, " ") != "org_1 org_2" {
		t.Errorf("list: %v, %v", orgs, err)
	}
}
