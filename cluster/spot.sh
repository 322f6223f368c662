#!/usr/bin/env bash
# A machine that may be taken away at any time joins the cluster whose head is at the given address, and works for it:
#
#     cluster/spot.sh 10.0.0.1:6379
#
# The script that such a machine runs as it starts clones the project and ends with this line.
set -euo pipefail
cd "$(dirname "$0")/.."

make .venv/cluster
exec .venv/bin/ray start --block --disable-usage-stats --address="$1"
