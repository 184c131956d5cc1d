# Sourced by slurm_train.sh and slurm_test.sh: slurm_run PARTITION JOB SCRIPT ARGUMENTS..., one task a GPU.

slurm_run() {
    local gpus=${GPUS:-8} per_node
    per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    # Known inside the job only: its first host, and a port of its own, since two jobs may share a host.
    # shellcheck disable=SC2086,SC2016
    exec srun -p "$1" --job-name="$2" --gres="gpu:$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
        bash -c 'MASTER_ADDR=$(scontrol show hostnames "${SLURM_STEP_NODELIST:-$SLURM_NODELIST}" | head -n 1)
                 MASTER_PORT=${PORT:-$((15000 + (16 * ${SLURM_JOB_ID:-0} + ${SLURM_STEP_ID:-0}) % 15000))}
                 export MASTER_ADDR MASTER_PORT
                 exec python -u "$@"' bash "${@:3}"
}
