package probe

import (
	"errors"
	"net/netip"
	"testing"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	none, private, loop := Guard{}, Guard{AllowPrivate: true}, Guard{AllowLoopback: true}
	tests := []struct {
		addr            string
		n, p, l, allYes bool // allowed by: the zero guard, AllowPrivate, AllowLoopback, both
	}{
		{"93.184.216.34", true, true, true, true},
		{"2606:2800:220:1::1", true, true, true, true},
		{"10.1.2.3", false, true, false, true},
		{"192.168.0.1", false, true, false, true},
		{"100.64.0.1", false, true, false, true},
		{"fd12::1", false, true, false, true},
		{"fec0::1", false, true, false, true},
		{"127.0.0.9", false, false, true, true},
		{"::1", false, false, true, true},
		{"0.0.0.0", false, false, true, true},
		{"::", false, false, true, true},
		{"::ffff:127.0.0.1", false, false, true, true},
		{"::ffff:10.0.0.1", false, true, false, true},
		{"64:ff9b::7f00:1", false, false, true, true},
		{"2002:0a00:0001::1", false, true, false, true},
		{"169.254.169.254", false, false, false, false},
		{"::ffff:169.254.169.254", false, false, false, false},
		{"64:ff9b::a9fe:a9fe", false, false, false, false},
		{"169.254.1.1", false, false, false, false},
		{"fe80::1", false, false, false, false},
		{"fe80::1%eth0", false, false, false, false},
		{"fd00:ec2::254", false, false, false, false},
		{"100.100.100.200", false, false, false, false},
		{"168.63.129.16", false, false, false, false},
		{"224.0.0.1", false, false, false, false},
		{"ff02::1", false, false, false, false},
		{"255.255.255.255", false, false, false, false},
	}
	for _, tt := range tests {
		a := netip.MustParseAddr(tt.addr)
		for i, g := range []Guard{none, private, loop, open} {
			want := []bool{tt.n, tt.p, tt.l, tt.allYes}[i]
			err := g.Check(a)
			if (err == nil) != want || err != nil && !errors.Is(err, ErrForbidden) {
				t.Errorf("%+v %s: %v, want allowed=%v", g, tt.addr, err, want)
			}
			ap := netip.AddrPortFrom(a, 80).String()
			if got := g.Control("tcp", ap, nil); (got == nil) != want {
				t.Errorf("%+v dial %s: %v, want allowed=%v", g, ap, got, want)
			}
		}
	}
	if err := open.Control("tcp", "name:80", nil); !errors.Is(err, ErrForbidden) {
		t.Errorf("a name passed the guard: %v", err)
	}
}
