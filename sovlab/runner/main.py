"""The command line of the runner: ``run``, ``child``, ``rank``, the forkserver, and ``pod`` and more."""

from __future__ import annotations

import os
import sys
from typing import List, Optional

_FORKSERVER = "nursery"
"""The verb of the forkserver, which only agents say; those of older versions know no other."""
_POD_COMMANDS = ("receive", "received", "send", "taken", "cancel", "idle", "forget")


def main(arguments: Optional[List[str]] = None) -> int:
    """Do what the arguments say; the status to exit with."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) == 2 and arguments[0] in ("run", "rank"):
        from sovlab.runner.protocol.order import Order, OrderError

        try:
            order = Order.read(arguments[1])
        except OrderError as error:
            sys.stderr.write(f"{error}\n")
            return 70
        if arguments[0] == "rank":
            from sovlab.runner.process.rank import run

            return run(order)
        from sovlab.runner.process.supervisor import supervise

        status = supervise(order)
        # All is written, and nobody need wait for this interpreter to be taken down.
        os._exit(status)
    if arguments[:1] == ["child"] and len(arguments) == 3:
        from sovlab.runner.process.child import main_started
        from sovlab.runner.protocol.order import Order

        main_started(Order.read(arguments[1]), int(arguments[2]))
    if arguments[:1] == [_FORKSERVER]:
        from sovlab.runner.process.forkserver import main as serve_forks

        return serve_forks(arguments[1:])
    if arguments[:1] == ["pod"] and len(arguments) in (4, 5):
        from sovlab.runner.pod.entrypoint import main as run_pod

        status = run_pod(arguments[1:])
        os._exit(status)
    if len(arguments) >= 2 and arguments[0] in _POD_COMMANDS:
        from sovlab.runner.pod.commands import main as run_command

        return run_command(arguments[0], arguments[1:])
    sys.stderr.write(
        "usage: run ORDER | rank ORDER\n"
        "     | pod INPUT WORK TERMINATION [STORE]\n"
        "     | receive WORK SIZE START | received WORK | send FILE START | taken WORK | cancel WORK\n"
        "     | idle SECONDS | forget STORE JOB...\n"
    )
    return 2
