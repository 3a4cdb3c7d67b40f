#!/usr/bin/env bash
# Copies echarts from its npm package to charts/page/assets, compressed, as it is embedded and committed. To be run after
# its version in deploy/npm/package.json was changed; a test compares the two.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

from=$BUILD/npm/node_modules/echarts
to=$ROOT/charts/page/assets
[ -e "$from/dist/echarts.min.js" ] || die "there is no $from; run deploy/setup/npm.sh first"
gzip -9 -n -c "$from/dist/echarts.min.js" >"$to/echarts.min.js.gz"
cat "$from/NOTICE" "$from"/licenses/* >"$to/echarts.NOTICE.txt"
say "copied to $to"
