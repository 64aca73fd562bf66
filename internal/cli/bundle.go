package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/client"
	"certwright/internal/diagnose"
)

func (e *Env) bundleCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "bundle ORDER", Short: "Write all that is known of an order to one redacted file, for somebody else to look at", Args: oneArg("the order's name"),
		Long: `Look at everything along an order's path now and write it to one file: the path, the evidence, the timeline, the
versions without their keys, the settings without secrets, and what Certwright makes of it. Whoever gets the file explains
it with 'certwright diagnose --from FILE', with no server and no network, and sees the same.

Private keys are never in it; what looks like a password, token or key in any text is taken out.`,
		Example: "  certwright bundle www\n  certwright bundle www -f /tmp/www-before.gz",
	}
	c.Flags().StringVarP(&file, "file", "f", "", "file to write; - is standard output (default: ORDER.certwright.gz)")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		data, err := cl.Bundle(c.Context(), args[0])
		if client.NotFound(err) {
			return fmt.Errorf("%w\n  → see the names with: certwright order list", err)
		}
		if err != nil {
			return err
		}
		if file == "-" {
			_, err = e.Stdout.Write(data)
			return err
		}
		if file == "" {
			file = args[0] + ".certwright.gz"
		}
		if err := writePrivate(file, data); err != nil {
			return err
		}
		b, err := diagnose.DecodeBundle(data)
		if err != nil {
			return fmt.Errorf("the bundle was written to %s, but cannot be read again: %w", file, err)
		}
		e.printf("Written to %s: %d observations, %d events, %d findings. No key and no password is in it.\n  → explain it anywhere with: certwright diagnose --from %s\n",
			file, len(b.Case.Observations), len(b.Timeline), len(b.Report.Findings), file)
		return nil
	}
	return c
}

// maxBundleFile bounds a bundle as it lies on disk, in bytes.
const maxBundleFile = 32 << 20

// diagnoseFile explains a bundle: the evidence is the recorded one, and so is the moment.
func (e *Env) diagnoseFile(file string, p paint) error {
	data, err := e.readBundleFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the bundle: there is no file %s\n  → write one with: certwright bundle ORDER -f %s", file, file)
	}
	if err != nil {
		return fmt.Errorf("read the bundle: %w", err)
	}
	b, err := diagnose.DecodeBundle(data)
	if err != nil {
		return fmt.Errorf("%s cannot be explained: %w\n  → write it again with: certwright bundle ORDER -f FILE", file, err)
	}
	if e.plain() {
		e.printf("%s\n\n", p.dim(fmt.Sprintf("From %s, as it was at %s (Certwright %s).", file, b.Made.UTC().Format("2006-01-02 15:04:05 UTC"), b.Program)))
	}
	then := *e
	then.Now = func() time.Time { return b.Case.Now }
	return then.showReport(b.Case.Judge(), nil, p)
}

// readBundleFile reads a file, or standard input for -, up to a limit.
func (e *Env) readBundleFile(file string) ([]byte, error) {
	in := e.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxBundleFile+1))
	if err == nil && len(data) > maxBundleFile {
		err = fmt.Errorf("it has more than %d MiB, which no bundle has", maxBundleFile>>20)
	}
	return data, err
}
