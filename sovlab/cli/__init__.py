"""The ``sovlab`` command: the same words as in the notebook, for shells and CI.

Results go to standard output, everything else to standard error; ``--json`` makes the output one JSON
document. Exit status: 0 done · 1 the user's code failed, or the job was killed · 2 the request cannot be
carried out as written · 3 the target does not answer · 124 out of time · 130 cancelled or interrupted.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from contextlib import suppress

from sovlab.errors import SovlabError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own); the exit status."""
    from sovlab.cli import streams

    streams.prepare()
    status = 0
    try:
        status = _run(argv)
    except BrokenPipeError:
        pass  # the reader (head, less) has seen enough
    except SystemExit as end:  # of --help
        status = int(end.code or 0)
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        status = streams.complain(error)
    return status or streams.close()


def _run(argv: Sequence[str] | None) -> int:
    from sovlab.cli.parser import parse

    try:
        parsed = parse(sys.argv[1:] if argv is None else argv)
        status = parsed.run(parsed)
    except SovlabError as error:
        from sovlab.cli.show import complain

        with suppress(BrokenPipeError):
            complain(error)
        return error.exit_code
    except SyntaxError as error:
        # The script's own: found before anything was submitted.
        import traceback

        with suppress(BrokenPipeError):
            sys.stderr.write("".join(traceback.format_exception_only(error)))
        return 2
    except KeyboardInterrupt:
        return 130
    return int(status or 0)
