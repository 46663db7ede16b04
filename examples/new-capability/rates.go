// Package rates is the capability family "rates": amounts in other currencies, by a table that the operator keeps.
package rates

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// Family gives the family. The table is read at each call, so that it can be changed while the host runs.
func Family() capabilities.Family {
	return capabilities.Family{
		Name:       "rates",
		Doc:        "Amounts in other currencies",
		Exceptions: map[string]string{"NoRate": "LookupError"},
		Scopes: []policies.ScopeKey{
			{
				Name: "table", Type: policies.ScopeString, HostPath: true,
				Doc:      "The file of the rates, lines of currency,rate, relative to the policy file.",
				Required: `write for example table = "rates.csv"`, Example: `"rates.csv"`,
			},
			{
				Name: "currencies", Type: policies.ScopeStrings, Min: 1, Max: 200,
				Doc:      "The currencies that amounts can be converted to.",
				Required: `write for example currencies = ["EUR"]`, Example: `["EUR", "NOK"]`,
			},
		},
		Decide: decide,
		Capabilities: []capabilities.Capability{
			capabilities.Func("rates", "convert", convert, capabilities.About{Doc: "Convert an amount, a Decimal.", Effects: capabilities.Reads}),
		},
	}
}

// decide permits the currencies of the grant. What it permits is what convert gets.
func decide(call policies.ScopedCall) policies.Verdict {
	given, _ := call.Arguments.Lookup("currency")
	currency, _ := given.(string)
	currency = strings.ToUpper(currency)
	if allowed := call.Scope.List("currencies"); !slices.Contains(allowed, currency) {
		return policies.Verdict{Key: "currencies", Reason: fmt.Sprintf("%.20q is not among currencies", currency), Nearest: strings.Join(allowed, ", ")}
	}
	return policies.Verdict{Allow: true, Key: "currencies", Reason: "currencies permits it", Canonical: currency}
}

type conversion struct {
	Amount   values.Decimal `postern:"amount" doc:"in the currency of the table"`
	Currency string         `postern:"currency" doc:"three letters, such as EUR" maxlen:"3"`
	Places   int            `postern:"places,keyword" default:"2" min:"0" max:"8"`

	Table     string `postern:"table,scope"`
	Permitted string `postern:",canonical"`
}

func convert(ctx context.Context, in conversion) (values.Decimal, error) {
	if len(in.Amount) > 30 || strings.Contains(string(in.Amount), "E") { // 1E+999999 is short, and its digits are not
		return "", capabilities.Raise("ValueError", "amount must have at most 30 characters and no exponent")
	}
	amount, _ := new(big.Rat).SetString(string(in.Amount))
	rate, err := lookUp(ctx, in.Table, in.Permitted)
	if err != nil {
		return "", err
	}
	return values.Decimal(amount.Mul(amount, rate).FloatString(in.Places)), nil
}

// lookUp finds a rate. Its errors are faults of the host, of which Python sees no more than that: but for NoRate.
func lookUp(ctx context.Context, table, currency string) (*big.Rat, error) {
	file, err := os.Open(table)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := csv.NewReader(io.LimitReader(file, 64<<10))
	for ctx.Err() == nil {
		line, err := lines.Read()
		if err == io.EOF {
			return nil, capabilities.Raise("rates.NoRate", "the table has no rate of %s", currency)
		} else if err != nil {
			return nil, err
		}
		if rate, ok := new(big.Rat).SetString(line[len(line)-1]); ok && line[0] == currency {
			return rate, nil
		}
	}
	return nil, ctx.Err()
}
