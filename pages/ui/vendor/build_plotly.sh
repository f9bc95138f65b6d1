#!/bin/sh
# Builds the chart library with the traces that the pages draw, and no others: sh pages/ui/vendor/build_plotly.sh. Needs npm; nothing else does.
set -eu
VERSION=4.1.1
TRACES="bar candlestick heatmap"  # scatter is always in it; plotly_library.TRACES lists them too
HERE=$(cd "$(dirname "$0")" && pwd)
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
cd "$FOLDER"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund "plotly.js@$VERSION" esbuild@0.25.12 >/dev/null
{
    echo 'const Plotly = require("plotly.js/lib/core");'
    for trace in $TRACES; do echo "Plotly.register(require(\"plotly.js/lib/$trace\"));"; done
    echo 'module.exports = Plotly;'
} > entry.js
npx --no-install esbuild entry.js --bundle --minify --format=iife --global-name=Plotly --target=es2020 --charset=utf8 \
    --define:global=window --define:define.amd=false --legal-comments=eof --log-level=warning \
    --banner:js="/* plotly.js v$VERSION, bundle of Podium: scatter $TRACES. Copyright Plotly, Inc. MIT license: LICENSE-plotly.txt */" \
    --outfile="$HERE/plotly-podium.min.js"
rm -f "$HERE/plotly-podium.min.css"  # of maps, which are not in it
cp node_modules/plotly.js/LICENSE "$HERE/LICENSE-plotly.txt"
cd "$HERE"
sha256sum plotly-podium.min.js > plotly-podium.sha256
