"""``python -m sovlab``: the same as the ``sovlab`` command."""

import sys

from sovlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
