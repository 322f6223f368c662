#!/usr/bin/env bash
# Trains an experiment on the nodes of a Slurm job:
#
#     sbatch --nodes=8 cluster/slurm.sh capacity --seeds 100 --store runs
#
# Submit it from the checkout, which every node must see, with Ray installed (`make .venv/cluster`). Five minutes before
# its time is over the job saves what it has, and it goes on when Slurm starts it again.
#SBATCH --job-name=too-big-to-think
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
set -euo pipefail

head=$(hostname --ip-address | cut -d' ' -f1):$((20000 + SLURM_JOB_ID % 10000)) # this node, and a port of the job's own
ray=(.venv/bin/ray start --block --disable-usage-stats --num-cpus="$SLURM_CPUS_PER_TASK")

"${ray[@]}" --head --include-dashboard=false --node-ip-address="${head%:*}" --port="${head#*:}" &
if ((SLURM_NNODES > 1)); then
    others=$((SLURM_NNODES - 1))
    srun --nodes=$others --ntasks=$others --exclude="$SLURMD_NODENAME" "${ray[@]}" --address="$head" &
fi
until (exec 3<>"/dev/tcp/${head/://}") 2>/dev/null; do sleep 1; done

.venv/bin/python -m lib run "$@" --cluster "$head" &
driver=$!
trap 'kill -TERM $driver' TERM
status=0
wait $driver || status=$?
if ((status > 128)); then # the trap ended the wait, not the driver
    status=0
    wait $driver || status=$?
fi
((status != 130)) || scontrol requeue "$SLURM_JOB_ID" # it was stopped before all was done
jobs -p | xargs -r kill 2>/dev/null || true
exit "$status"
