package main

import (
	"fmt"
	"os"
	"time"

	"github.com/postern-sandbox/postern/host/bench"
)

func (c *cli) bench(args []string) int {
	f := c.newFlags("bench [--json] [--quick]", `Measures this machine: starting, sessions, host calls, limits, and how fast Python programs run, compared with a python3 on
PATH if there is one. It takes about two minutes, and wants the machine for itself. Figures are medians, with the 99th percentile beside
them; of the two ratios, the least disturbed runs and the most disturbed ones.`)
	asJSON := f.Bool("json", false, "print one JSON object: the median of each figure, and its 99th percentile under its key with _p99")
	quick := f.Bool("quick", false, "take few runs of each: to see that it works, not to compare")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(rest) > 0 {
		return c.fail(usageError("usage: postern bench [--json] [--quick]", "bench takes no arguments"))
	}
	executable, err := os.Executable()
	if err != nil {
		executable = "" // one figure is left out
	}
	begun := time.Now()
	report, err := bench.Run(c.ctx, bench.Options{Executable: executable, Quick: *quick, Progress: func(what string) {
		fmt.Fprintf(c.stderr, "postern: %5.1f s: %s\n", time.Since(begun).Seconds(), what)
	}})
	if err != nil {
		return c.fail(err)
	}
	if *asJSON {
		err = writeJSON(c.stdout, report)
	} else {
		err = c.printReport(report)
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

func (c *cli) printReport(r *bench.Report) error {
	fmt.Fprintf(c.stdout, "%s\n%s\n\n%-28s %10s %10s %6s\n", r.Machine, r.Versions, "", "median", "p99", "runs")
	for _, f := range r.Figures {
		if _, err := fmt.Fprintf(c.stdout, "%-28s %10s %10s %6d  %s\n", f.Key, bench.Format(f.Median), bench.Format(f.P99), f.Runs, f.Doc); err != nil {
			return err
		}
	}
	return nil
}
