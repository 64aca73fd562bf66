package deploy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
)

// Deployer puts versions to targets. It implements fulfill.Deployer and is safe for concurrent use; work on
// one target takes turns.
type Deployer struct {
	now      func() time.Time
	roots    map[string]string
	commands map[string]Command
	log      *slog.Logger
	locks    sync.Map        // state directory -> *sync.Mutex
	step     func(op string) // tests: called before every change on disk
}

// Options are what a Deployer is configured with. Resources name roots and commands; they never hold them.
type Options struct {
	Now      func() time.Time
	Roots    map[string]string  // name -> directory, which must be there
	Commands map[string]Command // reload commands by name
	Logger   *slog.Logger
}

// Command is a reload command of the server's own configuration. It runs without a shell.
type Command struct {
	Argv    []string      // program and arguments; the program as an absolute path, or found in the server's PATH
	User    string        // runs as this user (the server must be root); empty = as the server
	Dir     string        // working directory; empty = the root directory /
	Env     []string      // NAME=value, besides PATH and LANG=C: nothing of the server's own environment is passed on
	Timeout time.Duration // after which its whole process group is killed; 0 = 30 s
}

// New makes a Deployer.
func New(o Options) *Deployer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Deployer{now: o.Now, roots: o.Roots, commands: o.Commands, log: o.Logger, step: func(string) {}}
}

// Check says whether a target's settings can be used here, as an *order.Refusal that names the
// property. Nothing is written.
func (d *Deployer) Check(t site.Target) error {
	w, err := d.resolve(t)
	if err != nil {
		return err
	}
	defer w.close()
	return w.checkPaths()
}

// Put makes the target hold the certificate, runs its reload and gives a receipt; the receipt's Version is the
// caller's to fill. Where everything is so already and the last reload went well, nothing is done
// (Changed is false, Detail says so), but a push that was neither settled nor taken back gives its
// receipt again, so that a crash after it loses no take-back. When the reload fails, what was there before is put back and
// loaded again, and the Problem says how both went.
func (d *Deployer) Put(ctx context.Context, _ site.Site, t site.Target, c fulfill.Certificate) (order.Receipt, error) {
	w, err := d.resolve(t)
	if err != nil {
		return order.Receipt{}, d.unusable(t, err)
	}
	defer w.close()
	files, serial, err := render(w, c)
	if err != nil {
		return order.Receipt{}, d.problem("prepare the files", w.describe(), err)
	}
	defer wipe(files)
	defer d.lock(w.base)()
	return d.put(ctx, w, files, serial)
}

// put does the work of Put under the target's lock.
func (d *Deployer) put(ctx context.Context, w *work, files []file, serial string) (order.Receipt, error) {
	r := order.Receipt{Serial: serial, At: d.now(), Files: w.paths()}
	held, pending := w.holds(files), w.pending()
	if held && !pending {
		// A push that was neither settled nor taken back was interrupted before anybody looked at the wire: its receipt is given again.
		if r.Previous = w.unsettled(); r.Previous != "" {
			r.Changed, r.Detail = true, "The files were switched and loaded before, by a run that was interrupted: nothing was written or reloaded again."
			return r, nil
		}
		r.Detail = "The files hold it already, with the right mode and owner, and the last reload went well: nothing was written or reloaded."
		return r, nil
	}
	r.Changed = true
	if held {
		r.Detail = "The files were written before, their reload was interrupted or had failed: it was run again."
	} else {
		if err := w.replace(files, serial); err != nil {
			return order.Receipt{}, d.problem("write the files", w.describe(), err)
		}
		r.Detail = "The files were switched together."
	}
	r.Previous = w.unsettled()
	ran, err := d.reload(ctx, w.reload)
	r.Reload = ran
	if err != nil {
		return r, d.undo(ctx, w, r, err)
	}
	if err := w.loaded(); err != nil {
		return r, d.problem("record the reload", w.describe(), err)
	}
	if err := w.sweep(); err != nil { // of the version before the former one, with its key
		d.log.Warn("deploy: sweep an older version", "target", w.describe(), "error", err)
	}
	if ran != nil {
		r.Detail += " " + ran.Name + " reloaded."
	}
	return r, nil
}

// Reload runs the target's reload command though no file changed; nil and no error where it has none. The files stay
// as they are whatever comes of it.
func (d *Deployer) Reload(ctx context.Context, t site.Target) (*evidence.Reload, error) {
	w, err := d.resolve(t)
	if err != nil {
		return nil, d.unusable(t, err)
	}
	defer w.close()
	defer d.lock(w.base)()
	ran, err := d.reload(ctx, w.reload)
	if err != nil {
		return ran, d.reloadProblem(w, ran, err)
	}
	if err := w.loaded(); err != nil {
		return ran, d.problem("record the reload", w.describe(), err)
	}
	return ran, nil
}

// undo puts the former files back after a failed reload and loads them again. Which of the two
// reloads failed tells whose fault it is: if the former files load, the new ones were not wanted.
func (d *Deployer) undo(ctx context.Context, w *work, r order.Receipt, failed error) error {
	if ctx.Err() == context.Canceled {
		// The server stops: the marker stays, and the next Put runs the reload again.
		return d.problem("reload", w.reload, context.Cause(ctx))
	}
	p := d.reloadProblem(w, r.Reload, failed)
	if r.Previous == "" {
		p.Detail += "; nothing is kept of what was there before, so the new files stay"
		return p
	}
	// The caller's time may be over; what serves must not be left with files that it refused.
	ctx = context.WithoutCancel(ctx)
	if err := w.back(r.Previous); err != nil {
		p.Detail += "; the former files could not be put back: " + err.Error()
		return p
	}
	again, err := d.reload(ctx, w.reload)
	if err != nil {
		p.Detail += "; the former files are back, but loading them failed as well: " + again.Error
		if p.ID == idOwn {
			p.ID, p.Cause, p.Fix = idUnrelated, "the reload fails with the former files too: something else blocks every reload",
				"run the command by hand, mend what its output names, then sync"
		}
		return p
	}
	p.Detail += "; the former files are back and loaded"
	if err := w.loaded(); err != nil {
		d.log.Warn("deploy: remove the reload marker", "target", w.describe(), "error", err)
	}
	w.tidy()
	return p
}

// TakeBack puts back what was there before the push of that receipt, and reloads. It may be repeated. When
// another version was put since, or nothing is kept any more, it is a Problem and nothing changes.
func (d *Deployer) TakeBack(ctx context.Context, t site.Target, r order.Receipt) error {
	if r.Previous == "" {
		return nil // nothing was changed by that push
	}
	w, err := d.resolve(t)
	if err != nil {
		return d.unusable(t, err)
	}
	defer w.close()
	if err := w.use(r.Previous); err != nil {
		return d.problem("take the files back", w.describe(), err)
	}
	defer d.lock(w.base)()
	if err := w.takeable(r); err != nil {
		return d.final("take the files back", w.describe(), err)
	}
	if err := w.back(r.Previous); err != nil {
		return d.problem("take the files back", w.describe(), err)
	}
	if w.pending() {
		if ran, err := d.reload(ctx, w.reload); err != nil {
			p := d.reloadProblem(w, ran, err)
			p.Detail += "; the former files are back"
			return p
		}
	}
	if err := w.loaded(); err != nil {
		return d.problem("record the reload", w.describe(), err)
	}
	w.tidy()
	return nil
}

// Settle lets go of what a receipt keeps for TakeBack. It may be repeated.
func (d *Deployer) Settle(_ context.Context, t site.Target, r order.Receipt) error {
	if r.Previous == "" {
		return nil
	}
	w, err := d.resolve(t)
	if err != nil {
		return d.unusable(t, err)
	}
	defer w.close()
	if err := w.use(r.Previous); err != nil {
		return d.problem("let go of the former files", w.describe(), err)
	}
	defer d.lock(w.base)()
	return d.problem("let go of the former files", w.describe(), w.settle(r.Previous))
}

// Observe looks at what the target holds now, compared with the certificate.
func (d *Deployer) Observe(_ context.Context, t site.Target, c fulfill.Certificate) []evidence.Observation {
	w, err := d.resolve(t)
	if err != nil {
		return []evidence.Observation{{Probe: evidence.ProbeFiles, Check: CheckSerial, Subject: "target " + t.Name, Outcome: evidence.Unknown,
			Reason: err.Error(), From: "server", At: d.now()}}
	}
	defer w.close()
	return d.observe(w, c)
}

// lock takes the turn on a state directory and gives the function that ends it.
func (d *Deployer) lock(key string) func() {
	m, _ := d.locks.LoadOrStore(key, new(sync.Mutex))
	m.(*sync.Mutex).Lock()
	return m.(*sync.Mutex).Unlock
}
