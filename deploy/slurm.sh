#!/bin/sh
# The shards of a campaign as an array of Slurm: deploy/README.md.
#SBATCH --job-name=sim-shards
#SBATCH --array=1-8
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --output=%x-%a.log
#SBATCH --open-mode=append
# A minute before its time is up, or when others go first, a shard is told to end; queued again, it goes on.
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
set -eu
cd "$SLURM_SUBMIT_DIR"
exec deploy/shard.sh "$SLURM_ARRAY_TASK_ID" "$SLURM_ARRAY_TASK_COUNT"
