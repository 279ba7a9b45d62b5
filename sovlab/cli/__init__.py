"""The ``sovlab`` command: the same words as in the notebook, for shells and CI.

Results go to standard output, everything else to standard error; ``--json`` makes the output one JSON
document. Exit status: 0 done · 1 the user's code failed, or the job was killed · 2 the request cannot be
carried out as written · 3 the target does not answer · 124 out of time · 130 cancelled or interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sovlab.errors import SovlabError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own); the exit status."""
    from sovlab.cli.parser import parse

    try:
        parsed = parse(sys.argv[1:] if argv is None else argv)
        status = parsed.run(parsed)
        sys.stdout.flush()
    except SovlabError as error:
        from sovlab.cli.show import complain

        complain(error)
        return error.exit_code
    except SyntaxError as error:
        # The script's own: found before anything was submitted.
        import traceback

        sys.stderr.write("".join(traceback.format_exception_only(error)))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; without this Python complains again at exit.
        sys.stdout = open("/dev/null", "w")  # noqa: PTH123, SIM115
        return 0
    return int(status or 0)
