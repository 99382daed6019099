#!/bin/bash
# Batch script of one worker, whose jobs are spread over its nodes. Harvester replaces names in single braces; the
# commands at the end are those of the block workerMaker.
#SBATCH --nodes={nNode}
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task={nCorePerNode}
#SBATCH --time={requestWalltimeMinute}
#SBATCH --output={accessPoint}/{workerID}.out
#SBATCH --error={accessPoint}/{workerID}.err

cd {accessPoint}
{launchScript}
