#!/usr/bin/env bash
# From a fresh clone to a trained and tested GRJCA on a synthetic corpus; what is there already is reused.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then
    sed -n '2s/^# //p' tools/quickstart.sh
    [[ $1 == -h || $1 == --help ]] || { echo "error: $1: it takes no arguments" >&2; exit 2; }
    exit 0
fi
source tools/_venv.sh
ensure_venv demo,video

step() { printf '\n== %s\n' "$*"; }

step "1/4 make the demo corpus, raw, in Aff-Wild2's layout: data/demo_raw"
python tools/dataset/make_demo_corpus.py data/demo_raw

step "2/4 prepare it as Aff-Wild2 is prepared: data/demo"
python tools/dataset/prepare_affwild2.py data/demo_raw data/demo --jobs "$(python -c 'import os; print(os.cpu_count())')"

step "3/4 train GRJCA: work_dirs/grjca_demo"
python tools/train.py configs/grjca_demo.py --resume

step "4/4 test the best checkpoint on the validation trials: work_dirs/grjca_demo/traces"
best=$(ls -t work_dirs/grjca_demo/best_CCC_mean_epoch_*.pth | head -n 1)
python tools/test.py configs/grjca_demo.py "$best" --out work_dirs/grjca_demo/traces
