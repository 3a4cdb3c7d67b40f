#!/usr/bin/env bash
# npm packages of deploy/npm into .build/npm: libchdb.so, echarts, swagger-ui and the source of whisper.cpp.
# None of their install scripts runs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

from=$ROOT/deploy/npm
to=$BUILD/npm
log=$BUILD/log/npm.log

case $(uname -m) in
  x86_64) chdb=@chdb/lib-linux-x64-gnu ;;
  aarch64) chdb=@chdb/lib-linux-arm64-gnu ;;
  *) die "there is no libchdb for $(uname -m); set EARSHOT_CLICKHOUSE_URL to a ClickHouse server instead" ;;
esac

now=$(stamp "$from/package.json" "$from/package-lock.json" $chdb)
if [ "$(cat "$to/.stamp" 2>/dev/null)" = "$now" ]; then
  say "already installed"
  exit 0
fi
need npm "install Node.js 20 or later"

mkdir -p "$to"
cp "$from/package.json" "$from/package-lock.json" "$to/"
rm -f "$to/.stamp"
say "installing into $to"
logged "$log" npm ci --prefix "$to" --ignore-scripts --no-audit --no-fund ||
  die "npm ci failed; is the npm registry reachable? $WHY"

# The arm64 library is not in the lock file (the lock was made where it cannot be seen), so it is
# pinned by the version of its sibling only.
if [ ! -e "$to/node_modules/$chdb/libchdb.so" ]; then
  version=$(sed -n 's/.*"@chdb\/lib-linux-x64-gnu": "\(.*\)".*/\1/p' "$from/package.json")
  logged "$log" npm install --prefix "$to" --no-save --ignore-scripts --no-audit --no-fund "$chdb@$version" ||
    die "npm has no $chdb@$version; set EARSHOT_CLICKHOUSE_URL to a ClickHouse server instead; $WHY"
fi
for file in "$chdb/libchdb.so" echarts/dist/echarts.min.js swagger-ui-dist/swagger-ui-bundle.js nodejs-whisper/cpp/whisper.cpp/CMakeLists.txt; do
  [ -e "$to/node_modules/$file" ] || die "npm installed no $file; remove $to and run this again"
done
echo "$now" >"$to/.stamp"
