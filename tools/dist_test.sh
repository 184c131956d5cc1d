#!/usr/bin/env bash
# Test on several GPUs: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# Several nodes: NNODES=2 NODE_RANK=0 MASTER_ADDR=host PORT=29500 bash tools/dist_test.sh CONFIG CHECKPOINT GPUS_PER_NODE
# Without a GPU, GPUS is the number of processes (gloo). One node takes a free port unless PORT is set.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
source "$(dirname "$0")/_launch.sh"
launch "$3" "$(dirname "$0")/test.py" "$1" "$2" --launcher pytorch "${@:4}"
