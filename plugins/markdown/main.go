// Command markdown is a tool plugin: it makes HTML of Markdown, and lists a text's headings and links. schema.yaml describes its exports.
package main

import (
	"bytes"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// A plugin is a library: its exports are called, and nothing else runs.
func main() {}

// converter makes a converter for GitHub's Markdown. Heading have ids in each, so that an outline names what a rendering has.
func converter(options ...renderer.Option) goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(options...),
	)
}

type renderInput struct {
	Text string `json:"text"`
	Safe *bool  `json:"safe"` // nil is true
}

// render makes HTML. When it is safe, HTML in the text is shown as text, and links lead to no scripts.
func render(in renderInput) (string, error) {
	option := renderer.WithNodeRenderers(util.Prioritized(escaping{}, 1))
	if in.Safe != nil && !*in.Safe {
		option = html.WithUnsafe()
	}
	var out bytes.Buffer
	if err := converter(option).Convert([]byte(in.Text), &out); err != nil {
		return "", err
	}
	return out.String(), nil
}

// escaping renders HTML as the text that it is.
type escaping struct{}

func (escaping) RegisterFuncs(to renderer.NodeRendererFuncRegisterer) {
	to.Register(ast.KindRawHTML, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			writeEscaped(w, source, n.(*ast.RawHTML).Segments)
		}
		return ast.WalkSkipChildren, nil
	})
	to.Register(ast.KindHTMLBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		block := n.(*ast.HTMLBlock)
		if entering {
			w.WriteString("<p>")
			writeEscaped(w, source, block.Lines())
			if block.HasClosure() {
				w.Write(util.EscapeHTML(block.ClosureLine.Value(source)))
			}
			w.WriteString("</p>\n")
		}
		return ast.WalkContinue, nil
	})
}

func writeEscaped(w util.BufWriter, source []byte, segments *text.Segments) {
	for i := range segments.Len() {
		segment := segments.At(i)
		w.Write(util.EscapeHTML(segment.Value(source)))
	}
}
