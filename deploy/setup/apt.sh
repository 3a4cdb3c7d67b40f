#!/usr/bin/env bash
# Debian packages that Earshot, its demo and its tests use. Installs only what is missing.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# command:package, the command being the proof that the package is there.
wanted=(
  ffmpeg:ffmpeg              # decodes recordings
  ffprobe:ffmpeg
  cmake:cmake                # builds whisper.cpp
  make:make
  g++:g++
  patch:patch
  redis-server:redis-server  # the engine tests; the service is not started
  chromium:chromium          # prints reports
  espeak-ng:espeak-ng        # speaks the sample calls
  pdftotext:poppler-utils    # reads reports back in tests
  libreoffice:libreoffice-writer-nogui # opens documents in tests
)

missing=()
for pair in "${wanted[@]}"; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
done
# A font that has Cyrillic: without one, Chromium prints boxes.
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing+=(fonts-dejavu-core)

if [ ${#missing[@]} -eq 0 ]; then
  say "nothing to install"
  exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
command -v apt-get >/dev/null 2>&1 ||
  die "no apt-get here; install with your package manager: ${missing[*]}"

as_root true # or stop here, before its message would go to a log

log=$BUILD/log/apt.log
# A candidate version is known only when the package lists are: a bare image ships none.
known() {
  local package
  for package in "$@"; do
    apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [^(]' || return 1
  done
}
update() {
  logged "$log" as_root apt-get update -q || die "apt-get update failed; is a Debian mirror reachable? $WHY"
}
install() {
  logged "$log" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Debian starts a daemon as soon as its package is installed, unless policy-rc.d says no (exit 101).
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
  as_root chmod 755 $policy
  trap 'as_root rm -f $policy' EXIT
fi

say "installing ${missing[*]}"
known "${missing[@]}" || update
# Lists older than the mirror name files that are gone: one fresh try.
install || { update && install; } || die "apt-get install failed: $WHY"
