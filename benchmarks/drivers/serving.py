"""What all drivers share: orders come in on stdin, answers go out on stdout, one JSON object a line.

Run by the peers' Python as well as by ours, so it is standard library only and imports nothing of the
benchmarks.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any


def serve(handlers: Mapping[str, Callable[..., Any]], missing: str = "") -> None:
    """Answer orders until stdin ends.

    Args:
        handlers: by the word of the order; each returns its answer, or just the seconds it took.
        missing: why nothing can be done here; empty if all is well.
    """
    # What the measured program prints itself must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer: Mapping[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    say({"missing": missing} if missing else {})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            done = handlers[order.pop("do")](**order)
        except Exception as error:
            traceback.print_exc()
            say({"failed": f"{type(error).__name__}: {error}"[:300]})
        else:
            say(done if isinstance(done, dict) else {"seconds": done})
