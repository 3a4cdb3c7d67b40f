# Shared by the install steps beside it; sourced, never run.
# After sourcing: $ROOT is the repository, $BUILD its .build folder.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$ROOT/.build
STEP=$(basename "$0")

# die MESSAGE: one line that says what is wrong and what to do, then exit 1.
die() {
  echo "$STEP: $*" >&2
  exit 1
}

# say MESSAGE: one line of progress.
say() {
  echo "$STEP: $*"
}

# need COMMAND WHERE-IT-COMES-FROM: stop unless the command is installed.
need() {
  command -v "$1" >/dev/null 2>&1 || die "$1 is not installed; $2"
}

# as_root COMMAND...: run it as root, through sudo when this user is not root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    die "needs root to install packages; run it as root or install sudo"
  fi
}

# logged FILE COMMAND...: run it with its output in FILE. If it fails, $WHY tells where to look, for die.
logged() {
  local log=$1 cause
  shift
  { mkdir -p "$(dirname "$log")" && : >"$log"; } 2>/dev/null ||
    die "cannot write $log; run as the owner of $BUILD or remove it"
  "$@" >"$log" 2>&1 && return
  cause=$(grep -m 1 -iE 'error[]: ].{12}|fatal|^E: ' "$log" || tail -n 1 "$log")
  WHY="$(echo "$cause" | cut -c 1-200) (all of it in $log)"
  return 1
}

# stamp WORD...: a short digest of its arguments, and of the contents of those that are files.
# A step that finds its last stamp unchanged has nothing to do.
stamp() {
  local word
  for word in "$@"; do
    if [ -f "$word" ]; then cat "$word"; else echo "$word"; fi
  done | sha256sum | cut -c 1-16
}
