package rates_test

import (
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/examples/internal/example"
	rates "github.com/postern-sandbox/postern/examples/new-capability"
)

func TestRates(t *testing.T) {
	session := example.Session(t, "invoices.toml", example.Read(t, "invoices.toml"), audit.Discard, rates.Family())
	for _, c := range []struct{ call, want string }{
		{`(Decimal("1250.00"), "eur")`, "Decimal('109.88')"},
		{`(Decimal("1250.00"), "EUR", places=0)`, "Decimal('110')"},
		{`(Decimal("-0.5"), currency="EUR")`, "Decimal('-0.04')"},
		// What the policy does not permit.
		{`(Decimal("1"), "USD")`, `Denied: rates.convert is denied by policy "invoices": "USD" is not among currencies (currencies of [grant.rates] at invoices.toml:7:14); permitted: EUR, SEK`},
		{`(Decimal("1"), "../../etc/passwd")`, `"../../ETC/PASSWD" is not among currencies`},
		{`(Decimal("1"), "EUR\0")`, `is not among currencies`},
		{`(Decimal("1"), None)`, `"" is not among currencies`},
		// What is no call of the function.
		{`(1.5, "EUR")`, "TypeError: amount must be Decimal, not float"},
		{`(Decimal("NaN"), "EUR")`, "ValueError: amount must be finite"},
		{`(Decimal("1E+999999"), "EUR")`, "ValueError: amount must have at most 30 characters and no exponent"},
		{`(Decimal("1"), "EUR", places=True)`, "TypeError: places must be int, not bool"},
		{`(Decimal("1"), "EUR", places=10**30)`, "ValueError: places must be from 0 to 8"},
		{`(Decimal("1"), "EUR", table="other.csv")`, "TypeError: convert() got an unexpected keyword argument 'table'"},
		{`(Decimal("1"), "SEK")`, "NoRate: the table has no rate of SEK"},
	} {
		result := example.Run(t, session, "", "import rates\nfrom decimal import Decimal\nrates.convert"+c.call)
		got := ""
		if result.Error != nil {
			got = result.Error.Error()
		} else {
			got = *result.Repr
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("convert%s: %s, want %s", c.call, got, c.want)
		}
	}
}

// docs/new-capability.md shows the files of this folder as they are, and the family has less than a hundred lines.
func TestPage(t *testing.T) {
	page := example.Read(t, "../../docs/new-capability.md")
	for _, file := range []string{"rates.go", "invoices.toml"} {
		if !strings.Contains(page, "\n"+example.Read(t, file)+"```\n") {
			t.Errorf("docs/new-capability.md does not have %s as it is", file)
		}
	}
	if lines := strings.Count(example.Read(t, "rates.go"), "\n"); lines >= 100 {
		t.Errorf("rates.go has %d lines", lines)
	}
}
