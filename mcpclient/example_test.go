package mcpclient_test

import (
	"context"
	"fmt"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/mcpclient"
	"github.com/postern-sandbox/postern/policies"
)

// The policy is read first: it says which servers there are. What they have is known when they are connected, and is then part of what the host can grant.
func Example() {
	ctx := context.Background()
	own, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		panic(err)
	}
	modules, err := guest.Modules()
	if err != nil {
		panic(err)
	}
	policy, err := policies.Parse("policy.toml", []byte(`
policy = 1
name = "directory"
audit.log = "none"
[mcp.people]
command = ["go", "run", "../examples/mcp/servers/people"]
functions = ["find_*"]
start_timeout = "5m"
`), policies.Vocabulary{Families: own.Vocabulary(), Modules: modules})
	if err != nil {
		panic(err)
	}

	servers, err := mcpclient.Connect(ctx, policy, mcpclient.Config{})
	if err != nil {
		panic(err)
	}
	defer servers.Close()
	registry, err := capabilities.NewRegistry(append(own.Families(), servers.Families()...)...)
	if err != nil {
		panic(err)
	}
	h, err := host.New(ctx, host.Config{Policy: policy, Capabilities: registry})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	session, err := h.NewSession(ctx)
	if err != nil {
		panic(err)
	}
	result, err := session.Exec(ctx, "import people; [people.find_person(f'p{n}')['name'] for n in range(1, 4)]", host.ExecOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println(*result.Repr)
	// Output: ['Kim', 'Noor', 'Sam']
}
