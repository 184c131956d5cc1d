#!/usr/bin/env bash
# Train under Slurm: GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 bash tools/slurm_train.sh PARTITION JOB CONFIG [arguments]
# One task a GPU; SRUN_ARGS goes to srun; PORT is one that is free on the first host (default: by the number of the job).
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
source "$(dirname "$0")/_slurm.sh"
slurm_run "$1" "$2" "$(dirname "$0")/train.py" "$3" --launcher slurm "${@:4}"
