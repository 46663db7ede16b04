package packages

import (
	"errors"
	"fmt"
	"strings"
)

// A marker is a condition over the environment that a package would run in: python_version >= "3.8" and extra == "dev".
type marker func(environment map[string]string) bool

// markerParser reads: or = and {"or" and}; and = atom {"and" atom}; atom = "(" or ")" | value operator value.
type markerParser struct {
	tokens []string
	depth  int
}

const markerDepth = 50

func parseMarker(text string) (marker, error) {
	tokens, err := markerTokens(text)
	if err != nil {
		return nil, err
	}
	p := &markerParser{tokens: tokens}
	m, err := p.either()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("%.60q is too much in a marker", p.tokens[0])
	}
	return m, err
}

// markerTokens splits a marker. A string begins with its quote, and has no second one.
func markerTokens(text string) ([]string, error) {
	var tokens []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		size := 1
		switch c := text[0]; {
		case c == '"' || c == '\'':
			end := strings.IndexByte(text[1:], c)
			if end < 0 {
				return nil, errors.New("a string in a marker has no end")
			}
			tokens, text = append(tokens, text[:1+end]), text[end+2:]
			continue
		case c == '(' || c == ')':
		case strings.IndexByte("<>=!~", c) >= 0:
			for size < len(text) && strings.IndexByte("<>=!~", text[size]) >= 0 {
				size++
			}
		default:
			for size < len(text) && strings.IndexByte("()<>=!~\"' \t", text[size]) < 0 {
				size++
			}
		}
		tokens, text = append(tokens, text[:size]), text[size:]
	}
	return tokens, nil
}

func (p *markerParser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

func (p *markerParser) accept(token string) bool {
	if len(p.tokens) == 0 || p.tokens[0] != token {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *markerParser) either() (marker, error) {
	m, err := p.both()
	for err == nil && p.accept("or") {
		left := m
		var right marker
		right, err = p.both()
		m = func(e map[string]string) bool { return left(e) || right(e) }
	}
	return m, err
}

func (p *markerParser) both() (marker, error) {
	m, err := p.atom()
	for err == nil && p.accept("and") {
		left := m
		var right marker
		right, err = p.atom()
		m = func(e map[string]string) bool { return left(e) && right(e) }
	}
	return m, err
}

func (p *markerParser) atom() (marker, error) {
	if p.accept("(") {
		if p.depth++; p.depth > markerDepth {
			return nil, errors.New("a marker is nested too deeply")
		}
		m, err := p.either()
		if err == nil && !p.accept(")") {
			err = errors.New("a ( in a marker has no )")
		}
		p.depth--
		return m, err
	}
	left, operator := p.next(), p.next()
	if operator == "not" && p.accept("in") {
		operator = "not in"
	}
	right := p.next()
	a, err := markerValue(left)
	if err != nil {
		return nil, err
	}
	b, err := markerValue(right)
	if err != nil {
		return nil, err
	}
	switch operator {
	case "==", "!=", "<", "<=", ">", ">=", "~=", "===", "in", "not in":
	default:
		return nil, fmt.Errorf("%.60q does not compare anything in a marker", operator)
	}
	extra := left == "extra" || right == "extra"
	return func(e map[string]string) bool { return compareMarker(a(e), operator, b(e), extra) }, nil
}

func markerValue(token string) (func(map[string]string) string, error) {
	if token != "" && (token[0] == '"' || token[0] == '\'') {
		text := token[1:]
		return func(map[string]string) string { return text }, nil
	}
	if _, known := guestEnvironment("")[token]; !known {
		return nil, fmt.Errorf("%.60q is not known in a marker", token)
	}
	return func(e map[string]string) string { return e[token] }, nil
}

// compareMarker compares as versions what are versions, else as texts.
func compareMarker(a, operator, b string, extra bool) bool {
	switch operator {
	case "in":
		return strings.Contains(b, a)
	case "not in":
		return !strings.Contains(b, a)
	}
	if extra {
		a, b = normal(a), normal(b)
	} else if s, err := parseSpecifiers(operator + b); err == nil && len(s) == 1 {
		if _, err := parseVersion(a); err == nil {
			return s.match(a)
		}
	}
	switch operator {
	case "==", "===":
		return a == b
	case "!=":
		return a != b
	case "<=":
		return a <= b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case ">":
		return a > b
	}
	return false
}
