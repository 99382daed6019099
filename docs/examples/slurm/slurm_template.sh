#!/bin/bash
# Batch script of one worker. Harvester replaces names in single braces; shell variables stay as they are.
#SBATCH --nodes={nNode}
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task={nCorePerNode}
#SBATCH --time={requestWalltimeMinute}
#SBATCH --output={accessPoint}/{workerID}.out
#SBATCH --error={accessPoint}/{workerID}.err

export HARVESTER_ID={harvesterID}
export HARVESTER_WORKER_ID={workerID}

cd {accessPoint}
/opt/pilot/runpilot.sh -q {pandaQueueName} -s {computingSite} --harvester-workdir {accessPoint}
