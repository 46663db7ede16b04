package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math/big"
	"regexp"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// An Order is one line of a customer's data. In Python it is a dict.
type Order struct {
	Month  string         `json:"month"`
	Region string         `json:"region"`
	Amount values.Decimal `json:"amount"`
}

var amount = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,4})?$`)

// readOrders reads the lines month,region,amount.
func readOrders(r io.Reader) ([]Order, error) {
	lines, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	var orders []Order
	for _, line := range lines {
		if len(line) != 3 || !amount.MatchString(line[2]) {
			return nil, fmt.Errorf("orders: %q is not month,region,amount", line)
		}
		orders = append(orders, Order{Month: line[0], Region: line[1], Amount: values.Decimal(line[2])})
	}
	return orders, nil
}

// A choice is what both functions of the family are asked for.
type choice struct {
	Month  *string `postern:"month" doc:"a month such as 2025-01; without it, all" maxlen:"7"`
	Region *string `postern:"region,keyword" doc:"a region; without it, all" maxlen:"40"`

	MaxRows int64 `postern:"max_rows,scope"`
}

// ordersFamily is the family "orders" of one customer: whose orders they are is not up to any policy or formula.
func ordersFamily(orders []Order) capabilities.Family {
	chosen := func(in choice) ([]Order, error) {
		found := []Order{}
		for _, o := range orders {
			if in.Month != nil && *in.Month != o.Month || in.Region != nil && *in.Region != o.Region {
				continue
			}
			if found = append(found, o); int64(len(found)) > in.MaxRows {
				return nil, capabilities.Raise("orders.TooMany", "more than %d orders: choose a month or a region", in.MaxRows)
			}
		}
		return found, nil
	}
	return capabilities.Family{
		Name:       "orders",
		Doc:        "The customer's orders",
		Exceptions: map[string]string{"TooMany": "ValueError"},
		Scopes: []policies.ScopeKey{{
			Name: "max_rows", Type: policies.ScopeInt, Min: 1, Max: 100_000, Default: "1_000", Example: "100",
			Doc: "How many orders one call may look at.",
		}},
		Capabilities: []capabilities.Capability{
			capabilities.Func("orders", "list", func(_ context.Context, in choice) ([]Order, error) {
				return chosen(in)
			}, capabilities.About{Doc: "Return the orders, as dicts with month, region and amount.", Effects: capabilities.Reads}),

			capabilities.Func("orders", "total", func(_ context.Context, in choice) (values.Decimal, error) {
				found, err := chosen(in)
				sum := new(big.Rat)
				for _, o := range found {
					amount, _ := new(big.Rat).SetString(string(o.Amount)) // readOrders has seen that it is a number
					sum.Add(sum, amount)
				}
				return values.Decimal(sum.FloatString(2)), err
			}, capabilities.About{Doc: "Return the sum of the orders, a Decimal.", Effects: capabilities.Reads}),
		},
	}
}
