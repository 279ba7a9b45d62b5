"""``python -m sovlab.runner``: the same as the ``.pyz``."""

import sys

from sovlab.runner.main import main

sys.exit(main())
