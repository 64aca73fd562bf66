package deploy

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"certwright/internal/site"
)

// BenchmarkPut is a push of a pair, settled, each to a target of its own as in a first issue, by four at once.
func BenchmarkPut(b *testing.B) {
	s := newShop(b, nil)
	c := s.ca.issue(b, 1)
	var n atomic.Int64
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tg := pairTarget("")
			id := strconv.FormatInt(n.Add(1), 10)
			tg.Files.Fullchain, tg.Files.Key = id+"/crt", id+"/key"
			r, err := s.d.Put(context.Background(), site.Site{}, tg, c)
			if err == nil {
				err = s.d.Settle(context.Background(), tg, r)
			}
			if err != nil {
				b.Error(err)
			}
		}
	})
}
