#!/bin/sh
# What the array of slurm.sh came to: deploy/README.md.
#SBATCH --job-name=sim-merge
#SBATCH --ntasks=1
#SBATCH --output=%x.log
set -eu
cd "$SLURM_SUBMIT_DIR"
exec deploy/merge.sh "${SHARDS:-8}"
