# make run     build, start Certwright with everything embedded, and take a sample shop down the whole path
# make once    the same, renewed once; exit status 0 only if openssl sees the right serial both times
# make test    what must hold: formatting, vet, staticcheck, the rules of the house, all tests (under 15 minutes)
# make test-all  and what is slow or large
# make scenarios [SET=endpoint] [SEED=2]  break a small internet on purpose, score the diagnosis (root; docs/scenarios.md)
# make check   only formatting, vet, staticcheck and the rules of the house (a minute)
# make bench   the figures of docs/performance.md
#
# Building and running need Go and git, nothing else. The tests run against real servers: scripts/deps.sh.

SHELL   := /bin/bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# grpcnotrace: should gRPC ever be linked, its tracing would switch off the linker's pruning.
TAGS    := grpcnotrace
LDFLAGS := -s -w -X main.version=$(VERSION)
BUILD   := CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)'
TEST    := go test -tags $(TAGS)

TEST_TIMEOUT ?= 12m
BENCH        ?= .
BENCHTIME    ?= 1x

.PHONY: all build run once test test-all check race vet fmt staticcheck arch bench bench-rooms scenarios deps clean

all: build

# Always asks go, which knows what has changed.
build:
	@mkdir -p bin
	@$(BUILD) -o bin/certwright ./cmd/certwright

run: build
	bin/certwright serve --sample

once: build
	bin/certwright sample --once

deps:
	@scripts/deps.sh

check: fmt vet staticcheck arch

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt -w $$out"; exit 1; }

vet:
	@go vet -tags $(TAGS) ./...

staticcheck:
	@go tool staticcheck -tags $(TAGS) ./...

arch:
	@go test -count=1 .

# One pass over everything, with the race detector, which needs a C compiler (deps says so if there is none).
test: deps check
	@command -v gcc >/dev/null || echo "make: no gcc, so no race detector"
	$(if $(shell command -v gcc),CGO_ENABLED=1 $(TEST) -race,CGO_ENABLED=0 $(TEST)) -timeout $(TEST_TIMEOUT) ./...

# The same as it is shipped (no race detector, CGO off), with the slow tests. The large clients of Azure's come first (a few
# minutes), then the scenarios, alone: they hold times. Both must be whole where the rest may run out of time.
CLIENTS := ^(TestAz|TestGoClientsInFull)$$
test-all: check
	@scripts/deps.sh all
	@rc=0; set -x; export CERTWRIGHT_SLOW=1 CGO_ENABLED=0; \
	go test -tags $(TAGS),slow -count=1 -timeout 15m -v -run '$(CLIENTS)' ./internal/server || rc=1; \
	go test -tags $(TAGS),slow -count=1 -timeout 40m -v ./internal/scenario || rc=1; \
	go test -tags $(TAGS),slow -timeout 55m -skip '$(CLIENTS)' $$(go list -tags $(TAGS),slow ./... | grep -v '/internal/scenario$$') || rc=1; \
	exit $$rc

# Against a real Pebble, beside a bare loop on the same library; with PostgreSQL where it is installed.
# Orders in the database that the API is measured at; 0 = it is not measured.
API ?= 1000000
bench: build
	@CGO_ENABLED=0 go build -tags $(TAGS) -o bin/certwright-bench ./cmd/certwright-bench
	@pg=$$(mktemp -u -t certwright-bench-pg.XXXXXX); dsn=$$(scripts/postgres.sh start $$pg 2>/dev/null | tail -n 1) || dsn=; \
	[ -n "$$dsn" ] || echo "bench: no PostgreSQL here, SQLite alone is measured"; \
	bin/certwright-bench -postgres "$$dsn" -api $(API) $(BENCHFLAGS); rc=$$?; \
	[ -z "$$dsn" ] || scripts/postgres.sh stop $$pg; exit $$rc

SEED ?= 1
# Every scenario, or a folder of them, with the scoreboard at the end.
scenarios:
	@mkdir -p bin
	@CGO_ENABLED=0 go build -tags $(TAGS) -o bin/certwright-scenario ./cmd/certwright-scenario
	@bin/certwright-scenario -seed $(SEED) $(if $(JOBS),-jobs $(JOBS)) $(SCENARIOFLAGS) scenarios$(if $(SET),/$(SET))

# The benchmarks of single rooms, for whoever works on them.
bench-rooms:
	CGO_ENABLED=0 $(TEST) -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -timeout 50m ./...

clean:
	rm -rf bin .run
