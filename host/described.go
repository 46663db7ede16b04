package host

import (
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
)

// described are the families of the policy's MCP servers, which are made of what the servers have said.
func (h *Host) described() []capabilities.Family {
	var list []capabilities.Family
	for i := range h.policy.Servers {
		if family, ok := h.registry.Family(h.policy.Servers[i].Name); ok && family.Description != nil {
			list = append(list, family)
		}
	}
	return list
}

// recordTools are the policy's tools and MCP servers as a session's first record has them.
func (h *Host) recordTools() (list []audit.Tool) {
	for _, t := range h.tools {
		list = append(list, audit.Tool{Name: t.Name, Plugin: t.digest, Schema: t.schema})
	}
	for _, family := range h.described() {
		list = append(list, audit.Tool{Name: family.Name, Schema: audit.Digest(family.Description)})
	}
	slices.SortFunc(list, func(a, b audit.Tool) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// keepDescriptions puts what MCP servers have said of their tools beside the records that have its digest: the guest was told of it, and is to be told the same
// when a session runs again.
func (h *Host) keepDescriptions(folder string) error {
	for _, family := range h.described() {
		if err := keepText(folder, strings.TrimPrefix(audit.Digest(family.Description), "sha256:")+".json", family.Description); err != nil {
			return err
		}
	}
	return nil
}
