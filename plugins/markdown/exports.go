//go:build wasip1

package main

//go:wasmexport render
func exportRender() int32 { return serve(render) }

//go:wasmexport outline
func exportOutline() int32 { return serve(outline) }

//go:wasmexport links
func exportLinks() int32 { return serve(links) }
