package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// helpers are the small programs that scenarios use, by subcommand.
var helpers = map[string]func(args []string) error{
	"inside":     func([]string) error { return Inside(os.Stdin, os.Stdout) },
	"mint":       func(args []string) error { return Mint(args, os.Stderr) },
	"socket":     socket,
	"serve-tls":  serveTLS,
	"serve-http": serveHTTP,
	"dirty-dns":  dirtyDNS,
	"acme-proxy": acmeProxy,
}

// Main is the program certwright-scenario; it gives the exit status: 0 if the targets are reached, 1 if not,
// 2 for wrong usage, 4 where scenarios cannot be run.
func Main(args []string) int {
	if len(args) > 0 && args[0] == "init" {
		return Init()
	}
	if len(args) > 0 {
		if f, ok := helpers[args[0]]; ok {
			if err := f(args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
				fmt.Fprintf(os.Stderr, "certwright-scenario %s: %v\n", args[0], err)
				return 1
			}
			return 0
		}
	}
	o := Options{Out: os.Stdout}
	s := flag.NewFlagSet("certwright-scenario", flag.ContinueOnError)
	s.Uint64Var(&o.Seed, "seed", 1, "varies names, addresses, ports, serials and paths")
	s.IntVar(&o.Jobs, "jobs", Jobs(), "how many scenarios at once")
	s.StringVar(&o.Bin, "bin", "", "folder with the programs certwright and pebble (default: built from this tree)")
	s.StringVar(&o.Only, "only", "", "regular expression on SET/ID")
	s.StringVar(&o.Stack, "stack", "", "only scenarios of this stack")
	s.BoolVar(&o.Fast, "fast", false, "only those with fast: true")
	s.BoolVar(&o.Wait, "wait", false, "stop once the fault is in, to look around")
	s.BoolVar(&o.Base, "base", false, "only bring the base up, to look around")
	s.BoolVar(&o.Report, "v", false, "print findings and logs of each miss")
	s.BoolVar(&o.Timing, "timing", false, "say at the end where the time went")
	file := s.String("json", "", "write all results to this file")
	s.Usage = func() {
		fmt.Fprintln(s.Output(), "usage: certwright-scenario [flags] DIR...   (each a scenario, or a folder with many below it)\n       certwright-scenario mint | serve-tls | serve-http | dirty-dns | socket -h")
		s.PrintDefaults()
	}
	if err := s.Parse(args); err != nil || s.NArg() == 0 {
		if err == nil {
			s.Usage()
		}
		return 2
	}
	return o.main(s.Args(), *file)
}

func (o Options) main(dirs []string, file string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	list, err := Load(dirs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "certwright-scenario:", err)
		return 2
	}
	results, err := Run(ctx, list, o)
	if file != "" && len(results) > 0 {
		b, e := json.MarshalIndent(results, "", " ")
		if e == nil {
			e = os.WriteFile(file, b, 0o644)
		}
		err = errors.Join(err, e)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "certwright-scenario:", err)
		if len(results) == 0 {
			return 4
		}
	}
	board := Tally(results)
	board.Print(os.Stdout)
	if o.Timing {
		PrintTiming(os.Stdout, results)
	}
	if err != nil || !board.Reached() {
		return 1
	}
	return 0
}
