package mcpserver

import (
	"bytes"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/values"
)

// contentOf is what the model sees of a run: output, value or error as text, and images that the value has.
func contentOf(r *host.Result, note string) ([]mcp.Content, error) {
	value, err := r.Decode()
	if err != nil {
		return nil, err
	}
	pictures := images(value)
	var parts []string
	add := func(part string) {
		if part = strings.TrimRight(part, "\n"); part != "" {
			parts = append(parts, part)
		}
	}
	add(r.Stdout)
	if r.Stderr != "" {
		add("[stderr]\n" + r.Stderr)
	}
	switch {
	case r.Error != nil && r.Error.Traceback != "" && !r.Error.FromHost:
		add(r.Error.Traceback)
		add(r.Error.Figures)
	case r.Error != nil:
		add(r.Error.Error())
	case len(pictures) == 0 && r.Repr != nil && *r.Repr != "None":
		add("=> " + *r.Repr)
	}
	add(note)
	if len(parts) == 0 && len(pictures) == 0 {
		parts = []string{"(no output)"}
	}
	content := []mcp.Content{}
	if len(parts) > 0 {
		content = append(content, &mcp.TextContent{Text: strings.Join(parts, "\n")})
	}
	return append(content, pictures...), nil
}

// maxImages bounds the images of one run.
const maxImages = 20

// images are those that a value is, or a list or tuple has.
func images(value any) (found []mcp.Content) {
	if image := image(value); image != nil {
		return []mcp.Content{image}
	}
	var members []any
	switch value := value.(type) {
	case values.List:
		members = value
	case values.Tuple:
		members = value
	}
	for _, member := range members {
		image := image(member)
		if image == nil || len(found) == maxImages {
			return nil // not a list of images: it is shown as it is
		}
		found = append(found, image)
	}
	return found
}

// image is a value as an image, if it is bytes of a known kind or the text of an SVG. Only its beginning is looked at: what is behind
// it is for the client to judge, as anything that code returns.
func image(value any) mcp.Content {
	switch value := value.(type) {
	case values.Bytes:
		for _, kind := range []struct{ magic, mime string }{
			{"\x89PNG\r\n\x1a\n", "image/png"}, {"\xff\xd8\xff", "image/jpeg"}, {"GIF87a", "image/gif"}, {"GIF89a", "image/gif"},
		} {
			if bytes.HasPrefix(value, []byte(kind.magic)) {
				return &mcp.ImageContent{Data: value, MIMEType: kind.mime}
			}
		}
		if len(value) > 12 && string(value[:4]) == "RIFF" && string(value[8:12]) == "WEBP" {
			return &mcp.ImageContent{Data: value, MIMEType: "image/webp"}
		}
	case string:
		start := strings.TrimSpace(value[:min(len(value), 1000)])
		if strings.HasPrefix(start, "<?xml") {
			_, start, _ = strings.Cut(start, "?>")
			start = strings.TrimSpace(start)
		}
		if strings.HasPrefix(start, "<svg") {
			return &mcp.ImageContent{Data: []byte(value), MIMEType: "image/svg+xml"}
		}
	}
	return nil
}
