// Package plugins reads what tool plugins say of themselves. A plugin is a WebAssembly module for Extism, of any language, whose exports a policy gives
// to Python as the functions of a module. What they take and give an XTP document says, schema.yaml, which is in the module as a custom
// section, or beside it.
//
// Modules and documents are hostile, and nothing of them runs here.
package plugins
