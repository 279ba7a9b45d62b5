"""``python -m sovlab.executors.kubernetes``: the courier, started by submits."""

import sys

from sovlab.executors.kubernetes.courier import main

main(sys.argv[1])
