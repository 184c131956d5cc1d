#!/usr/bin/env bash
# Train on several GPUs: bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Several nodes: NNODES=2 NODE_RANK=0 MASTER_ADDR=host PORT=29500 bash tools/dist_train.sh CONFIG GPUS_PER_NODE
# Without a GPU, GPUS is the number of processes (gloo). One node takes a free port unless PORT is set.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
source "$(dirname "$0")/_launch.sh"
launch "$2" "$(dirname "$0")/train.py" "$1" --launcher pytorch "${@:3}"
