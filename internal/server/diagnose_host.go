package server

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"certwright/internal/evidence"
)

// hostLimit bounds the look at the database: one whose lock is held must be seen as such before the
// inspection ends.
const hostLimit = 4 * time.Second

// addHost adds what can be said of Certwright itself: its database, its disk, its workers.
func (s *Server) addHost(add func(string, string, observe)) {
	for _, l := range []struct {
		name string
		look observe
	}{{"database", s.lookAtDatabase}, {"work", s.lookAtWork}, {"disk", s.lookAtDisk}, {"limits", s.lookAtLimits}} {
		add(evidence.ProbeHost, l.name, func(ctx context.Context) []evidence.Observation {
			return s.memo.once(ctx, "host "+l.name, s.Now, func() []evidence.Observation { return l.look(ctx) })
		})
	}
}

// rehearsal is from how far ahead a clock that was moved counts as moved on purpose: who rehearses a later day
// moves it by days, and everybody else's clock stays.
const rehearsal = 24 * time.Hour

// moved is how far the clock that orders go by was moved ahead on purpose against this machine's; 0 = it was not.
func (s *Server) moved() time.Duration {
	if by := time.Until(s.Now()).Round(time.Second); by >= rehearsal {
		return by
	}
	return 0
}

func (s *Server) hostObservation(check, subject, expected string) evidence.Observation {
	return evidence.Observation{Probe: evidence.ProbeHost, Check: check, Subject: subject, Expected: expected, Outcome: evidence.Pass, From: "server", At: s.Now()}
}

// lookAtDatabase reads and writes.
func (s *Server) lookAtDatabase(ctx context.Context) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, hostLimit)
	defer cancel()
	began := time.Now() // a span: the clock that orders go by may be another
	o := s.hostObservation(evidence.CheckDatabase, s.Store.Kind()+" database of "+s.Config.Node, "answers and takes writes")
	seen := s.Store.Alive(ctx, func() time.Duration { return time.Since(began) })
	o.Took, o.Seen = time.Since(began), "answers and takes writes"
	o.Command = "curl -sk " + s.Config.URL + "/readyz"
	switch {
	case ctx.Err() != nil && seen.Finding == "":
		o.Outcome, o.Reason = evidence.Unknown, "it did not answer in time"
	case !seen.Answers:
		o.Outcome, o.Seen, o.Reason = evidence.Fail, "no answer", seen.Error
	case !seen.Writes:
		o.Outcome, o.Seen, o.Reason = evidence.Fail, "answers, takes no write", seen.Error
	}
	return []evidence.Observation{o.With(seen)}
}

// lookAtWork sees whether due orders are looked for and taken up.
func (s *Server) lookAtWork(ctx context.Context) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, hostLimit)
	defer cancel()
	o := s.hostObservation(evidence.CheckWork, "workers of "+s.Config.Node, "due orders are looked for and taken up in time")
	o.Command = "curl -sk " + s.Config.URL + "/readyz"
	seen := evidence.Work{Node: s.Config.Node, SweepEvery: time.Duration(s.Config.Sweep.Due), Workers: s.Config.Workers, Held: s.Work.Held()}
	if at := s.Work.LastSweep(); !at.IsZero() {
		seen.LastSweep = &at
	}
	var err error
	if seen.Lag, err = s.Work.Lag(ctx); err == nil {
		seen.Due, err = s.Store.Backlog(ctx, s.Now())
	}
	if err != nil {
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
		return []evidence.Observation{o.With(seen)}
	}
	if seen.Leader, seen.LeaderLeft, err = s.Store.Leader(ctx); err != nil {
		seen.NoLeader = true
	}
	o.Seen = fmt.Sprintf("%d orders due, the longest for %s; %d of %d workers at work", seen.Due, seen.Lag.Round(time.Second), min(seen.Held, seen.Workers), seen.Workers)
	if err := s.Work.Ready(); err != nil {
		seen.Error, o.Outcome, o.Reason = err.Error(), evidence.Fail, err.Error()
	}
	return []evidence.Observation{o.With(seen)}
}

// lookAtDisk sees how much room the data directory has.
func (s *Server) lookAtDisk(context.Context) []evidence.Observation {
	path := string(s.Config.Data)
	o := s.hostObservation(evidence.CheckDisk, "file system of "+path, "room to write")
	o.Command = "df -h '" + path + "'; df -i '" + path + "'"
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
		return []evidence.Observation{o}
	}
	seen := evidence.Disk{Path: path, Free: int64(st.Bavail) * int64(st.Bsize), Total: int64(st.Blocks) * int64(st.Bsize), Inodes: int64(st.Ffree), ReadOnly: st.Flags&syscall.MS_RDONLY != 0}
	if st.Files == 0 { // a file system that does not count them
		seen.Inodes = -1
	}
	o.Seen = fmt.Sprintf("%d MiB free", seen.Free>>20)
	return []evidence.Observation{o.With(seen)}
}

// lookAtLimits sees how many files the process may still open.
func (s *Server) lookAtLimits(context.Context) []evidence.Observation {
	o := s.hostObservation(evidence.CheckLimits, "open files of the server", "room for more")
	o.Command = "ls /proc/$(pidof certwright)/fd | wc -l; grep 'open files' /proc/$(pidof certwright)/limits"
	var most syscall.Rlimit
	open, err := os.ReadDir("/proc/self/fd")
	if err == nil {
		err = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most)
	}
	if err != nil {
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
		return []evidence.Observation{o}
	}
	seen := evidence.Limits{Files: len(open), MaxFiles: int(min(most.Cur, 1<<30))}
	o.Seen = fmt.Sprintf("%d of %d", seen.Files, seen.MaxFiles)
	return []evidence.Observation{o.With(seen)}
}
