package sql

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
)

func (f *family) postgres(ctx context.Context, r *request, log hclog.Logger) (any, error) {
	return nil, capabilities.Raise("RuntimeError", "PostgreSQL cannot be reached")
}
