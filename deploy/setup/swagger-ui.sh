#!/usr/bin/env bash
# Copies swagger-ui from its npm package to schemas/openapi/assets, compressed, as it is embedded and committed. To be
# run after its version in deploy/npm/package.json was changed; a test compares the two.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

from=$BUILD/npm/node_modules/swagger-ui-dist
to=$ROOT/schemas/openapi/assets
[ -e "$from/swagger-ui-bundle.js" ] || die "there is no $from; run deploy/setup/npm.sh first"
for file in swagger-ui-bundle.js swagger-ui.css; do
  gzip -9 -n -c "$from/$file" >"$to/$file.gz"
done
cat "$from/NOTICE" "$from/swagger-ui-bundle.js.LICENSE.txt" >"$to/swagger-ui.NOTICE.txt"
say "copied to $to"
