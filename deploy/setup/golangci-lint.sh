#!/usr/bin/env bash
# The linter of `make lint`, built from its Go module into .build/bin: about three minutes on two cores, once.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=v2.15.0 # the first that reads Go 1.26 code
to=$BUILD/bin
log=$BUILD/log/golangci-lint.log
need go "install Go 1.26 or later"

now=$(stamp $version "$(go env GOVERSION)")
if [ -x "$to/golangci-lint" ] && [ "$(cat "$to/.golangci-lint.stamp" 2>/dev/null)" = "$now" ]; then
  say "already installed"
  exit 0
fi
say "building golangci-lint $version"
GOBIN=$to CGO_ENABLED=0 GOFLAGS=-buildvcs=false logged "$log" \
  go install -trimpath -ldflags '-s -w' "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version" ||
  die "could not build golangci-lint; is the Go module proxy reachable? $WHY"
echo "$now" >"$to/.golangci-lint.stamp"
