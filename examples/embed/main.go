// Command embed is a service that runs its customers' formulas, each customer's under a policy of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "the address to listen on")
	folder := flag.String("folder", "examples/embed", "the folder with policies/ and data/, and for audit/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *folder); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(70)
	}
}

// run serves until ctx ends, then lets the requests that have begun finish.
func run(ctx context.Context, listen, folder string) (err error) {
	log, err := audit.Open(folder+"/audit", audit.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	service, err := NewService(Config{
		Folder: folder, Audit: log, Logger: hclog.New(&hclog.LoggerOptions{Name: "embed", Level: hclog.Warn}),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }() // before the log

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: service, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	finished := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		finished <- server.Shutdown(grace)
	}()
	fmt.Fprintln(os.Stderr, "listening on", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}
