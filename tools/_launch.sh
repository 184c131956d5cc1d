# Sourced by dist_train.sh and dist_test.sh: launch PROCESSES SCRIPT ARGUMENTS..., on this node.

launch() {
    local port=()
    [ -z "${PORT:-}" ] || port=(--master-port="$PORT")
    exec python -m mmaffect.utils.launch --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" --nproc-per-node="$1" \
        --master-addr="${MASTER_ADDR:-127.0.0.1}" ${port[@]+"${port[@]}"} "${@:2}"
}
