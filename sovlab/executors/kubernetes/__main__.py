"""``python -m sovlab.executors.kubernetes``: the courier, started by submits."""

import sys

from sovlab.executors.kubernetes.transfer_agent import main

main(sys.argv[1])
