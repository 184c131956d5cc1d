#!/usr/bin/env bash
# Test under Slurm: GPUS=8 bash tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT [arguments]
# One task a GPU; GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS as in slurm_train.sh.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
source "$(dirname "$0")/_slurm.sh"
slurm_run "$1" "$2" "$(dirname "$0")/test.py" "$3" "$4" --launcher slurm "${@:5}"
