#!/bin/bash
# Builds a real Ollama (CPU only, 35 MB) and prints the path of the program. Does nothing when it was built before.
# Usage: setup.sh [DIR]     DIR: the user's cache folder, corral/ollama/VERSION. First time: 3 to 6 minutes on 2 cores, 130 MB to download.
# Needs Go; on Debian it installs g++, nlohmann-json3-dev and libstb-dev when they are missing.
set -euo pipefail
V=0.17.4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
D=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/corral/ollama/$V}
mkdir -p "$D" && D=$(cd "$D" && pwd)
built() { "$D/ollama" --version 2>/dev/null | grep -q "$V"; }
built && { echo "$D/ollama"; exit 0; }
if command -v flock >/dev/null; then # two builds at once would only slow each other down
  exec 9>"$D/.lock"
  flock 9
  built && { echo "$D/ollama"; exit 0; }
fi
if ! command -v g++ >/dev/null || ! [ -e /usr/include/nlohmann/json_fwd.hpp ] || ! [ -e /usr/include/stb/stb_image.h ]; then
  "$here/../../scripts/apt-install" g++ nlohmann-json3-dev libstb-dev
fi
mkdir -p "$D/include/miniaudio" && cp "$here/cgo-include/miniaudio/miniaudio.h" "$D/include/miniaudio/"
# avx2 is three times as fast with real weights; -march=native does not link.
O="-O2"; grep -qw avx2 /proc/cpuinfo 2>/dev/null && O="-O2 -mavx2 -mfma -mf16c -mbmi2"
echo "building Ollama $V (3 to 6 minutes on 2 cores; kept in $D)" >&2
rm -rf "$D/new" # built aside, so that a build that was stopped leaves no half of a program
CGO_ENABLED=1 CGO_CPPFLAGS="-I$D/include" CGO_CFLAGS=$O CGO_CXXFLAGS="$O -w" GOBIN="$D/new" \
  go install -trimpath -ldflags "-s -w -X github.com/ollama/ollama/version.Version=$V" "github.com/ollama/ollama@v$V" >&2
mv "$D/new/ollama" "$D/ollama" && rmdir "$D/new"
echo "$D/ollama"
