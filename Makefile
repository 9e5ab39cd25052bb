# Tongqu 通衢. `make help` lists the targets.

GO      ?= go
# Builds and tests share what is compiled.
export GOFLAGS := -trimpath $(GOFLAGS)
BIN     := bin
LINT    := $(BIN)/golangci-lint
LINT_V  := v2.15.0
DATA    ?= data

.DEFAULT_GOAL := help
.PHONY: help build run test test-race test-oracle test-crash test-cluster test-faults test-restore fuzz bench bench-servers lint fmt docs check-docs check-deploy clean ci

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## build ./bin/tongqu
	$(GO) build -o $(BIN)/tongqu ./cmd/tongqu

run: build ## start the hub with demo agencies and watch a small day of documents (Ctrl-C ends it)
	$(BIN)/tongqu serve --demo --data $(DATA)

# Some packages wait more than they compute: four at a time. The linters vet.
test: ## all tests that need only Go
	$(GO) test -p 4 -vet=off -shuffle=on -timeout 15m ./...

test-race: ## the same with the race detector (needs a C compiler)
	$(GO) test -race -shuffle=on -timeout 30m ./...

test-oracle: ## our verdicts against xmllint's (needs xmllint; TONGQU_FORMATS names a folder with the official XSDs and samples)
	TONGQU_ORACLE=required $(GO) test -count=1 -timeout 20m -run 'Verdicts|Official|Formats' ./internal/schema ./internal/wire .

test-crash: ## kill -9 the hub 30 times under load and account for every document by id
	TONGQU_CRASH_ROUNDS=30 $(GO) test -count=1 -run 'TestCrash' -timeout 30m -v ./internal/app/...

test-cluster: ## the bus on three brokers of Apache Kafka 4, the store on PostgreSQL (installed by apt as root, or in Docker)
	TONGQU_CLUSTER=required .ci/cluster $(GO) test -count=1 -timeout 20m ./internal/bus/kafkatest/... ./internal/store/postgres/...

FAULTS ?= short
SEED ?=
test-faults: ## break what three hubs stand on, account for every document; FAULTS=short, all or names with commas, SEED=N repeats
	TONGQU_CLUSTER=required TONGQU_FAULTS=$(FAULTS) TONGQU_FAULTS_SEED=$(SEED) .ci/cluster $(GO) test -count=1 -timeout 60m -v -run 'TestFaults' ./internal/faults

test-restore: ## back up and restore as docs/backup.md says: PostgreSQL to a moment, with Apache Kafka; SQLite
	TONGQU_CLUSTER=required .ci/cluster $(GO) test -count=1 -timeout 15m -v -run 'TestRestore|TestBackup|TestCopyOf' ./internal/app

FUZZTIME ?= 30s
fuzz: ## run every fuzz target for FUZZTIME (default 30s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

BENCH ?= loads codec
BENCHFLAGS ?=
bench: build ## measure the whole way, HTTP to delivered, and each adapter; prints tables (BENCH="loads drain growth codec", BENCHFLAGS="-duration 30s")
	$(GO) run ./cmd/tongqu-bench $(BENCHFLAGS) $(BENCH)

bench-servers: ## the same and scale on PostgreSQL and three Kafka brokers that it starts (BENCH="loads scale drain growth")
	TONGQU_CLUSTER=required $(GO) test -count=1 -timeout 6h -v -run TestServers ./cmd/tongqu-bench -args $(BENCHFLAGS) -measure "$(BENCH)"

$(LINT):
	GOBIN=$(CURDIR)/$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_V)

lint: $(LINT) ## run the linters
	$(LINT) run ./...

fmt: $(LINT) ## format the code
	$(LINT) fmt ./...

docs: build ## write the generated parts of the documentation
	$(BIN)/tongqu adapter docs --write

check-docs: build ## fail when generated documentation is stale
	$(BIN)/tongqu adapter docs --check

check-deploy: ## hold deploy/ against Compose, Kubernetes, systemd, nginx and Prometheus (needs systemd, nginx, openssl, promtool)
	cd deploy/check && TONGQU_DEPLOY=required $(GO) test -count=1 -timeout 15m ./...

clean: ## remove what was built (not the data folder)
	rm -rf $(BIN) dist

ci: ## exactly what the landing gate runs
	bash .ci/run
