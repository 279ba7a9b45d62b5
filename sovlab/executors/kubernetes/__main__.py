"""``python -m sovlab.executors.kubernetes``: the transfer agent, started by submits."""

import sys

from sovlab.executors.kubernetes.transfers.transfer_agent import main

main(sys.argv[1])
