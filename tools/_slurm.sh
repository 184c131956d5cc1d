# Sourced by slurm_train.sh and slurm_test.sh: slurm_run PARTITION JOB SCRIPT ARGUMENTS..., one task a GPU.

slurm_run() {
    local gpus=${GPUS:-8} per_node
    per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    # The first host of the job is known inside it only.
    # shellcheck disable=SC2086,SC2016
    exec srun -p "$1" --job-name="$2" --gres="gpu:$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
        bash -c 'export MASTER_ADDR=$(scontrol show hostnames "$SLURM_NODELIST" | head -n 1) MASTER_PORT='"${PORT:-29500}"'
                 exec python -u "$@"' bash "${@:3}"
}
