package deploy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// TestReadersNeverSeeAMixedPair: while versions are switched as fast as they can be, readers at the
// plain paths never find, without a switch in between, a certificate and a key that do not belong
// together, never a gap; and readers of the directory never find them at all.
func TestReadersNeverSeeAMixedPair(t *testing.T) {
	t.Parallel()
	reads := int64(10000)
	if testing.Short() {
		reads = 1000
	}
	s := newShop(t, nil)
	tg := pairTarget("")
	// They begin with plain files of another manager: the take-over is part of it.
	first := s.ca.issue(t, 1)
	chain, _ := parseChain(first.Chain)
	key, _ := pemKey(first.Key)
	s.write("www.crt", string(pemCerts(chain)))
	s.write("www.key", string(key))
	var done, straddled, switches atomic.Int64
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			for (done.Load() < reads || switches.Load() < 10) && !t.Failed() {
				whole := readPlain
				if i%2 == 1 {
					whole = readDirectory
				}
				switch err := whole(s); {
				case errors.Is(err, errStraddled):
					straddled.Add(1)
				case err != nil:
					t.Error(err)
				default:
					done.Add(1)
				}
			}
		})
	}
	go func() { readers.Wait(); close(stop) }()
	for running := true; running; {
		// Each has a key of its own: if one came again, a reader that was held up could find it twice with others in between.
		s.put(tg, s.ca.issue(t, 1+switches.Add(1)))
		select {
		case <-stop:
			running = false
		default:
		}
	}
	t.Logf("%d reads, %d of them across a switch, %d switches", done.Load()+straddled.Load(), straddled.Load(), switches.Load())
}

// errStraddled: a switch came between two opens; such a reader reads again.
var errStraddled = errors.New("switched in between")

// readPlain opens key, certificate and key again, as two plain paths.
func readPlain(s *shop) error {
	key, err1 := os.ReadFile(s.path("www.key"))
	crt, err2 := os.ReadFile(s.path("www.crt"))
	again, err3 := os.ReadFile(s.path("www.key"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if !bytes.Equal(key, again) {
		return errStraddled
	}
	_, err := tls.X509KeyPair(crt, key)
	return err
}

// readDirectory opens the directory once, and both files in it.
func readDirectory(s *shop) error {
	current, err := filepath.Glob(s.path(stateDir + "/*/" + currentLink))
	if err != nil || len(current) == 0 {
		return errStraddled // not taken over yet
	}
	dir, err := os.OpenRoot(current[0])
	if err != nil {
		return errStraddled
	}
	defer dir.Close()
	crt, err1 := dir.ReadFile("fullchain.pem")
	key, err2 := dir.ReadFile("key.pem")
	if err := errors.Join(err1, err2); errors.Is(err, fs.ErrNotExist) {
		return errStraddled // held so long that the version was swept meanwhile
	} else if err != nil {
		return err
	}
	_, err = tls.X509KeyPair(crt, key)
	return err
}
