"""``python -m sovlab.executors.local CONFIGURATION READY``: the agent."""

import sys

from sovlab.executors.local.agent import main

if __name__ == "__main__":
    main(sys.argv[1:])
