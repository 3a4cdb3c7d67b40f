# Earshot's build. `make help` lists the targets; the install steps are scripts in deploy/setup.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The steps share two folders and build on each other.
.NOTPARALLEL:

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
SETUP := deploy/setup

# What a build with the tag `whisper` needs, and every command below inherits. The second is read anew for
# each recipe, since deploy/setup/whisper.sh writes that file (with CUDA=1 it names more libraries).
export CGO_ENABLED := 1
export CGO_CFLAGS := -g -O2 -I$(CURDIR)/.build/whisper/include
export CGO_LDFLAGS = $(shell cat $(CURDIR)/.build/whisper/ldflags 2>/dev/null)

# CUDA=1 builds whisper.cpp for NVIDIA GPUs.
CUDA ?= 0
export CUDA

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ the two commands of a newcomer
.PHONY: demo
demo: setup build ## install, build, run the bundled samples through the program, print a table
	go run ./deploy/demo

.PHONY: test
test: setup build lint test-unit test-e2e test-engines ## everything: lint, unit tests with -race, end-to-end on both engine sets

##@ parts
.PHONY: setup apt npm whisper engines
setup: apt npm whisper ## install what the program needs: Debian packages, libchdb, echarts, whisper.cpp

apt:
	@$(SETUP)/apt.sh

npm: apt
	@$(SETUP)/npm.sh

whisper: npm ## whisper.cpp as static libraries in .build/whisper (CUDA=1 for NVIDIA GPUs)
	@$(SETUP)/whisper.sh

engines: ## a real Kafka in .build/kafka, for test-engines
	@$(SETUP)/kafka.sh

.PHONY: build
build: whisper ## bin/earshot, with whisper.cpp linked in
	go build -tags whisper -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/earshot .

.PHONY: test-unit test-e2e test-engines
test-unit: setup ## unit tests with the race detector, in random order
	go test -tags whisper -race -shuffle=on -timeout 15m $$(go list ./... | grep -v '/deploy/e2e')

test-e2e: setup build ## end-to-end and kill tests on the embedded engines
	go test -count=1 -timeout 25m ./deploy/e2e -args -engines=embedded

test-engines: setup build engines ## the same tests on a real Kafka, redis-server and ClickHouse engine
	go test -count=1 -timeout 25m ./deploy/e2e -args -engines=real

.PHONY: bench
bench: setup build ## throughput, latency and memory as JSON lines
	go run ./deploy/bench

.PHONY: bench-reports
bench-reports: setup build ## time of reports over a month of 1,000,000 conversations, as JSON lines
	go run ./deploy/bench -reports 1000000

.PHONY: wer
wer: setup build ## word error rate of the model on held-out sentences and voices, over the telephone band
	go run ./deploy/wer

.PHONY: bench-stt
bench-stt: setup ## speed of speech recognition beside whisper-cli, as JSON lines and a table (MODEL=file, ARGS="-runs 3 -only call", ARGS=-gpu)
	@CLI=1 $(SETUP)/whisper.sh
	@STOCK=1 CUDA=0 $(SETUP)/whisper.sh
	go run -tags whisper ./deploy/benchstt $(if $(MODEL),-model $(MODEL)) $(ARGS)

.PHONY: lint fmt
lint: whisper ## gofmt, go vet with and without native parts, golangci-lint (import rules in .golangci.yml)
	@$(SETUP)/golangci-lint.sh
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l); \
	  [ -z "$$unformatted" ] || { echo "not gofmt-ed (run make fmt): $$unformatted"; exit 1; }
	go vet ./...
	go vet -tags whisper ./...
	.build/bin/golangci-lint run

fmt: ## gofmt every Go file
	git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -w

.PHONY: env clean
env: ## the variables for go commands by hand: eval "$$(make -s env)"
	@echo "export CGO_ENABLED='$(CGO_ENABLED)' CGO_CFLAGS='$(CGO_CFLAGS)' CGO_LDFLAGS='$(CGO_LDFLAGS)'"

clean: ## remove bin and .build
	rm -rf bin .build
