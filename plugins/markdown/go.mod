module github.com/postern-sandbox/postern/plugins/markdown

go 1.26.0

require github.com/yuin/goldmark v1.8.7
