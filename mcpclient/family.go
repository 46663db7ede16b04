package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/postern-sandbox/postern/capabilities"
)

// A caller calls tools.
type caller interface {
	call(ctx context.Context, t *Tool, args capabilities.Arguments) (any, error)
}

// family describes the tools to the policy, the guest and the gate. What a server says of what its tools do not change is not believed: all can read and
// write.
func (o *Offer) family(server string, by caller) capabilities.Family {
	family := capabilities.Family{
		Name: server, Doc: "Tools of the MCP server " + server + ".", Exceptions: map[string]string{errorClass: "RuntimeError"}, Description: o.Description(),
	}
	for _, t := range o.granted {
		family.Capabilities = append(family.Capabilities, capabilities.New(capabilities.Spec{
			Family: server, Function: t.Name, Signature: t.Signature, Doc: t.Doc, Effects: capabilities.Reads | capabilities.Writes,
		}, func(ctx context.Context, args capabilities.Arguments) (any, error) { return by.call(ctx, t, args) }))
	}
	// The others are there so that who calls one is told what would grant it.
	for _, name := range o.withheld() {
		family.Capabilities = append(family.Capabilities, capabilities.New(capabilities.Spec{
			Family: server, Function: name, Signature: "(*args, **kwargs)", Doc: "Not granted.", Effects: capabilities.Reads | capabilities.Writes,
		}, func(context.Context, capabilities.Arguments) (any, error) { return nil, errNotGranted }))
	}
	return family
}

var errNotGranted = errors.New("mcpclient: a tool was called that was not granted when the server was connected")

// MaxDescription is how long a description may be that is read again, in bytes: none is longer, since its one form of JSON escapes no character to more than twice its length, and adds little
// to each tool.
const MaxDescription = 2*maxList + maxTools*64

// Recorded makes the family of a server of what its granted tools have said of themselves, as [Offer.Description] gives it and an audit log keeps it. To call its functions is an error: it
// is for hosts that replay.
func Recorded(server string, description []byte) (capabilities.Family, error) {
	wrong := func(err error) (capabilities.Family, error) {
		return capabilities.Family{}, fmt.Errorf("mcpclient: the description of %q: %w", server, err)
	}
	if len(description) > MaxDescription {
		return wrong(errors.New("it is too long"))
	}
	var kept struct {
		Tools    []described `json:"tools"`
		Withheld []string    `json:"withheld"`
	}
	if err := json.Unmarshal(description, &kept); err != nil {
		return wrong(err)
	}
	offer, err := newOffer(context.Background(), kept.Tools, server, func(string) bool { return true })
	if err != nil {
		return wrong(err)
	}
	for _, name := range kept.Withheld {
		offer.Tools = append(offer.Tools, &Tool{Name: name})
	}
	return offer.family(server, absent{}), nil
}

// absent is a server that is not there.
type absent struct{}

func (absent) call(context.Context, *Tool, capabilities.Arguments) (any, error) {
	return nil, errors.New("mcpclient: a recorded server was called")
}
