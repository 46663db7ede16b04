package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/values"
)

// answerSize bounds one answer, in bytes: what a host may answer.
const answerSize = 16 << 20

// stubsFor makes the module that answers the functions that a policy grants with values that are given as NAME=JSON, and denies the others.
func stubsFor(policy string, functions, given []string) ([]byte, error) {
	if len(functions) == 0 {
		return nil, usageError("", "policy %q grants no function: there is nothing for --stubs to answer", policy)
	}
	answers, err := answerTable(policy, functions, given)
	if err != nil {
		return nil, err
	}
	list := make([]link.Answer, len(functions))
	for i, function := range functions {
		json, ok := answers[function]
		if !ok {
			if json, err = unanswered(function); err != nil {
				return nil, err
			}
		}
		list[i] = link.Answer{Function: function, JSON: json}
	}
	return link.Answers(list)
}

// answerTable reads what --answer says, by symbol.
func answerTable(policy string, functions, given []string) (map[string][]byte, error) {
	answers := make(map[string][]byte)
	for _, answer := range given {
		name, text, ok := strings.Cut(answer, "=")
		if !ok {
			return nil, usageError("write for example --answer math.sqrt=11.18", "--answer %q is not NAME=JSON", answer)
		}
		symbol := strings.Replace(name, ".", "_", 1)
		if !slices.Contains(functions, symbol) {
			return nil, notGranted(policy, name, functions)
		}
		if _, twice := answers[symbol]; twice {
			return nil, usageError("", "--answer %s is there twice", name)
		}
		json := []byte(text)
		if path, ok := strings.CutPrefix(text, "@"); ok {
			var err error
			if json, err = readFile(path, answerSize); err != nil {
				return nil, err
			}
		}
		value, err := values.Decode(json)
		if err != nil {
			return nil, usageError(`the answer is JSON as in docs/abi.md: a text needs its quotes, as in log.info='"done"'`, "--answer %s: %w", name, err)
		}
		if answers[symbol], err = values.AppendOK(nil, value, answerSize); err != nil {
			return nil, usageError("", "--answer %s: %w", name, err)
		}
	}
	return answers, nil
}

// notGranted is the mistake of an answer for a function that the module does not import.
func notGranted(policy, name string, functions []string) error {
	names := make([]string, len(functions))
	for i, function := range functions {
		names[i] = capabilityName(function)
	}
	hint := "granted are " + strings.Join(names, ", ")
	if len(names) > 8 {
		hint = "`postern policy explain` lists what the policy grants"
	}
	if near, ok := nearest(strings.Replace(name, "_", ".", 1), names); ok {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return usageError(hint, "--answer %s: policy %q does not grant it", name, policy)
}

// unanswered is what a function answers that no answer was given for.
func unanswered(symbol string) ([]byte, error) {
	const reason = "no answer was given for this function when the stubs were made"
	name := capabilityName(symbol)
	return values.AppendDenied(nil, values.Denied{Capability: name, Reason: reason, Message: name + " is denied: " + reason}, answerSize)
}

// stubsSummary says how many functions have an answer.
func stubsSummary(answered, all int) string {
	if answered == all {
		return plural(int64(all), "answer", "answers")
	}
	return fmt.Sprintf("%s, %d denied", plural(int64(answered), "answer", "answers"), all-answered)
}
