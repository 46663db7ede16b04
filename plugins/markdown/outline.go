package main

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

type textInput struct {
	Text string `json:"text"`
}

// A heading is one line of an outline.
type heading struct {
	Level int    `json:"level"` // 1 to 6
	Title string `json:"title"` // without markup
	ID    string `json:"id"`    // of the element that render makes
	Line  int    `json:"line"`  // where it is, from 1
}

func outline(in textInput) ([]heading, error) {
	source := []byte(in.Text)
	list := []heading{}
	err := walk(source, func(n ast.Node) {
		h, ok := n.(*ast.Heading)
		if !ok {
			return
		}
		entry := heading{Level: h.Level, Title: strings.TrimSpace(plain(h, source))}
		if id, ok := h.AttributeString("id"); ok {
			entry.ID = string(id.([]byte))
		}
		if lines := h.Lines(); lines.Len() > 0 {
			entry.Line = 1 + bytes.Count(source[:lines.At(0).Start], []byte("\n"))
		}
		list = append(list, entry)
	})
	return list, err
}

// A link is a link or an image of a text.
type link struct {
	Text  string `json:"text"` // without markup
	URL   string `json:"url"`
	Image bool   `json:"image"`
}

func links(in textInput) ([]link, error) {
	source := []byte(in.Text)
	list := []link{}
	err := walk(source, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.Link:
			list = append(list, link{Text: plain(n, source), URL: string(n.Destination)})
		case *ast.Image:
			list = append(list, link{Text: plain(n, source), URL: string(n.Destination), Image: true})
		case *ast.AutoLink:
			list = append(list, link{Text: string(n.Label(source)), URL: string(n.URL(source))})
		}
	})
	return list, err
}

// walk calls visit for each part of a document, in order.
func walk(source []byte, visit func(ast.Node)) error {
	document := converter().Parser().Parse(text.NewReader(source))
	return ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			visit(n)
		}
		return ast.WalkContinue, nil
	})
}

// plain gives the text below a node, without markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}
