"""The process in which the user's code runs, and what it reports of it."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from typing import Any, Callable, Dict, NoReturn, Optional

from sovlab.runner import context, progress
from sovlab.runner.checkpoint import checkpoint
from sovlab.runner.output import streams
from sovlab.runner.process import interpreter
from sovlab.runner.protocol.order import Order
from sovlab.runner.system import processes
from sovlab.runner.system.inherited import take_over

_PRELOADABLE = ("torch", "numpy", "scipy", "pandas", "sklearn", "matplotlib.pyplot", "jax", "transformers")
"""Modules worth having loaded before the next job of this kind starts."""


def run(
    order: Order, rank: Optional[int] = None, saving: Callable[[], None] = lambda: None
) -> Dict[str, Any]:
    """Run the user's code in this process, and write its results.

    Args:
        order: names the payload, and where the results go.
        rank: which of the job's processes this is, from 0; None in a job of one.
        saving: called when the checkpoint hook begins.

    Returns:
        The report: ``reason``, ``message``, ``exit_code``, ``error``, ``results``, ``progress`` and
        ``imported``, as in the exit record; ``terminated`` says that SIGTERM ended it.
    """
    context.current = context.Context(order, rank, saving)
    checkpoint.install()
    streams.open_standard()
    import faulthandler

    faulthandler.enable(2)
    report: Dict[str, Any] = {"reason": "succeeded", "message": "", "exit_code": 0, "rank": rank}
    try:
        _run(order, rank, report)
    except BaseException as error:
        _explain(error, report, rank)
    progress.flush()
    report["progress"] = progress.last
    report["imported"] = [name for name in _PRELOADABLE if name in sys.modules]
    report["terminated"] = checkpoint.ended_job
    return report


def _run(order: Order, rank: Optional[int], report: Dict[str, Any]) -> None:
    # Here, so that whatever they cost or lack is reported.
    from sovlab.runner.execution.program import PayloadError, Program

    try:
        program = Program(order, quiet=bool(rank))
        failure: Optional[BaseException] = None
        try:
            program.prepare()
            program.run()
        except PayloadError:
            raise
        except BaseException as error:
            failure = error
            _explain(error, report, rank, program.withheld)
    except PayloadError as error:
        report.update(reason="payload", message=str(error), exit_code=70)
        sys.stderr.write(f"{error}\n")
        return
    try:
        program.finish()
    except Exception as error:
        if failure is None:
            failure = error
            _explain(error, report, rank)
    if not rank or failure is not None:
        _return(order, program, failure, report, "" if rank or order.node_rank else program.directory)


def _return(
    order: Order, program: Any, failure: Optional[BaseException], report: Dict[str, Any], directory: str
) -> None:
    from sovlab.runner.output import display

    outputs = display.outputs.bundles()
    values: Dict[str, Any] = {}
    absent = []
    if report["reason"] == "succeeded":
        if order.kind == "call":
            values = {"return": program.returned}
        else:
            values = {name: program.namespace[name] for name in order.outputs if name in program.namespace}
            absent = [name for name in order.outputs if name not in values]
    elif order.kind != "call" and report["reason"] in ("user_error", "out_of_memory"):
        # What was bound when the error came may be hours of work.
        values = {name: program.namespace[name] for name in order.outputs if name in program.namespace}
    if report["reason"] not in ("succeeded", "user_error"):
        failure = None
    unreturned = program.bound() if order.kind == "cell" else []
    if order.kind == "notebook":
        failure = None  # its own words are in the notebook
    from sovlab.runner.execution import files

    wrote = bool(directory and files.written(directory))
    if not (values or outputs or absent or unreturned or failure is not None or wrote):
        return
    from sovlab.runner.execution import results

    try:
        size, sent, beside = results.write(
            order,
            program.namespace,
            values,
            received=program.received,
            unreturned=unreturned,
            outputs=outputs,
            error=failure,
            directory=directory,
        )
    except MemoryError:
        advice = "ask for more with --memory, or return less"
        message = f"There was not enough memory to write the results: {advice}."
        report.update(reason="out_of_memory", exit_code=137, message=message)
        return
    except OSError as error:
        if report["reason"] == "succeeded":
            message = f"The code finished, but its results could not be written: {error}."
            report.update(reason="runner", exit_code=70, message=message)
            sys.stderr.write(f"{message}\n")
        return
    if wrote:
        sys.stderr.write(f"{files.sentence(beside)}\n")
        report["files"] = files.names(beside)
    names = [dict(s._asdict()) for s in sent]
    names += [
        {"name": n, "type": "", "size": 0, "detail": "", "error": f"the code did not bind {n}"}
        for n in absent
    ]
    report["results"] = {"size": size, "names": names, "unreturned": unreturned}


def _explain(error: BaseException, report: Dict[str, Any], rank: Optional[int], withheld: Any = ()) -> None:
    """Fill the report from what ended the code, and print the traceback."""
    if isinstance(error, SystemExit):
        _explain_exit(error, report)
        if report["reason"] == "succeeded" or checkpoint.ended_job:
            return
    _name_withheld(error, withheld)
    from sovlab.runner.output.tracebacks import Report, message_of

    traceback_report = Report(error)
    report["error"] = traceback_report.as_dict(rank)
    if isinstance(error, SystemExit):
        return
    report["exit_code"] = 1
    report["reason"] = "user_error"
    report["message"] = f"{type(error).__name__}: {message_of(error)}".split("\n")[0][:500]
    if _is_out_of_memory(error):
        report.update(reason="out_of_memory", exit_code=137)
        report["message"] = f"The code asked for more memory than is available: {report['message']}"
    elif isinstance(error, KeyboardInterrupt):
        report.update(reason="killed", exit_code=130, signal="SIGINT", message="It was ended by SIGINT.")
    try:
        sys.stderr.write(traceback_report.text)
    except OSError:
        pass  # the log's disk is full; the exit record has room of its own


def _explain_exit(error: SystemExit, report: Dict[str, Any]) -> None:
    code = error.code
    if code is None or code == 0:
        return
    if not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
    report["reason"] = "user_error"
    report["exit_code"] = code & 0xFF if isinstance(code, int) else 1
    argument = f"status {code}" if isinstance(code, int) else repr(str(code))[:300]
    report["message"] = f"The code called sys.exit with {argument}."


def _is_out_of_memory(error: BaseException) -> bool:
    # torch says so in words where the processor's memory is meant.
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def _name_withheld(error: BaseException, withheld: Any) -> None:
    if not isinstance(error, NameError) or not error.args:
        return
    match = re.match(r"(?:global )?name '(\w+)' is not defined", str(error.args[0]))
    if match is not None and match[1] in withheld:
        name = match[1]
        error.args = (
            f"name '{name}' is not defined in the job: it looks like a secret and was withheld. "
            f"To send it, name it: --in {name}",
        )


def exit_status(report: Dict[str, Any]) -> int:
    """The exit status that says how the code ended; 143 after SIGTERM."""
    return 128 + signal.SIGTERM if report.get("terminated") else int(report["exit_code"])


def become(order: Order, parent: int) -> None:
    """Right after the fork: a process group of its own, Python's own signals, and to die with ``parent``.

    What the submitter would have given it, it has from here on.
    """
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    processes.die_with(parent)
    take_over(order.inherited)


def main(order: Order, parent: int, writing: int) -> NoReturn:
    """Be the child: run the code, write the report, and exit.

    Args:
        order: as for `run`.
        parent: pid of the supervisor.
        writing: descriptor of the pipe that takes the report.
    """
    become(order, parent)
    _run_and_report(order, writing)


def main_started(order: Order, writing: int) -> NoReturn:
    """Be the child in an interpreter that was started for it, after `become`; else as `main`."""
    interpreter.restore_path()
    os.chdir(order.workdir)
    _run_and_report(order, writing)


def _run_and_report(order: Order, writing: int) -> NoReturn:
    streams.close_others(writing)
    _set_threads()
    report = run(order)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    data = json.dumps(report, default=str).encode()
    while data:
        data = data[os.write(writing, data) :]
    os.close(writing)
    _leave(exit_status(report))


def _set_threads() -> None:
    """Give torch and numpy, where they were loaded before the fork, the threads that the job was given.

    Their libraries looked at the environment when they were loaded. Here and not before the fork, because
    this starts threads, and threads do not survive one.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if not threads.isdigit() or int(threads) < 1:
        return
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(int(threads))
    numpy = sys.modules.get("numpy._core._multiarray_umath")
    if numpy is not None:
        _set_threads_of_openblas(str(numpy.__file__), int(threads))


def _set_threads_of_openblas(library: str, threads: int) -> None:
    """Of the OpenBLAS that ``library`` is linked with, if that is what it computes with."""
    import ctypes

    try:
        linked = ctypes.CDLL(library)
    except OSError:
        return
    for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
        function = getattr(linked, f"{prefix}openblas_set_num_threads{suffix}", None)
        if function is not None:
            function(threads)
            return


def _leave(status: int) -> NoReturn:
    """End as Python ends, but without the destructors of C++ libraries.

    In a forked process these may wait for threads that only its parent had; `multiprocessing` leaves its
    forked processes in the same way.
    """
    import atexit
    import gc
    import io
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    # What Python writes when it frees the files that a program has left open. By type(), because
    # isinstance() asks objects for their __class__, and libraries have lazy ones that warn.
    files = [f for f in gc.get_objects() if issubclass(type(f), (io.TextIOWrapper, io.BufferedWriter))]
    for file in sorted(files, key=lambda f: isinstance(f, io.BufferedWriter)):
        try:
            file.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)
