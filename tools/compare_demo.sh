#!/usr/bin/env bash
# Every fusion and both single modalities on the synthetic demo corpus, on the same cached features, three seeds each;
# what is there already is reused. A CCC on this corpus is no accuracy on people.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/_venv.sh
ensure_venv demo

step() { printf '\n== %s\n' "$*"; }

step "1/4 the demo corpus, made and prepared: data/demo"
python tools/dataset/make_demo_corpus.py data/demo_raw
python tools/dataset/prepare_affwild2.py data/demo_raw data/demo --jobs "$(python -c 'import os; print(os.cpu_count())')"

for modality in visual audio; do
    step "2/4 train the $modality backbone: work_dirs/${modality}_demo"
    python tools/train.py "configs/${modality}_demo.py" --resume
done

for modality in visual audio; do
    step "3/4 write its features: data/demo/features/demo/$modality"
    python tools/extract_features.py "configs/${modality}_demo.py" "work_dirs/${modality}_demo/epoch_12.pth" data/demo --name demo
done

step "4/4 train every fusion on them: work_dirs/compare"
python tools/analysis/compare.py configs/comparison/*_demo.py
