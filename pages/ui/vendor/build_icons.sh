#!/bin/sh
# Builds the font of the icons that are shown, out of Streamlit's font of 4,000: sh pages/ui/vendor/build_icons.sh. Needs the network once, for fonttools.
# The icons are those named in material-symbols-podium.txt, add to it what a page may need, and those in the pages and in Streamlit's own code.
set -eu
export LC_ALL=C
HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../../.." && pwd)
STREAMLIT=$("$ROOT/.venv/bin/python" -c 'import pathlib, streamlit; print(pathlib.Path(streamlit.__file__).parent)')
FONT=$(ls "$STREAMLIT"/static/static/media/MaterialSymbols-Rounded.*.woff2)
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
python3 -m venv "$FOLDER/venv"
"$FOLDER/venv/bin/pip" install -q fonttools brotli
{
    tail -n +2 "$HERE/material-symbols-podium.txt"
    grep -rohE --include='*.py' --include='*.js' ':material/[a-z0-9_]+:' "$ROOT/pages" "$STREAMLIT" | sed 's/:material\///; s/://'
} | sort -u > "$FOLDER/wanted"
"$FOLDER/venv/bin/ttx" -q -t GlyphOrder -o - "$FONT" | sed -n 's/.*name="\([a-z0-9_]*\)".*/\1/p' | sort -u | comm -12 - "$FOLDER/wanted" > "$FOLDER/names"
"$FOLDER/venv/bin/pyftsubset" "$FONT" --glyphs-file="$FOLDER/names" --text="abcdefghijklmnopqrstuvwxyz0123456789_ " --layout-features='*' --no-layout-closure --flavor=woff2 \
    --output-file="$HERE/material-symbols-podium.woff2"
{ basename "$FONT"; cat "$FOLDER/names"; } > "$FOLDER/list"
mv "$FOLDER/list" "$HERE/material-symbols-podium.txt"
