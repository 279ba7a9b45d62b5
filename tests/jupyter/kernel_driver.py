"""Drives a real kernel by steps, in a process of its own, and prints what its cells print.

A step is {"run": source, "answer": what to type where it asks, "interrupt": when this job runs} or
{"kill": true}, which leaves a new kernel for the steps that follow.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from typing import Any

from jupyter_client.manager import KernelManager

from sovlab.client import default
from sovlab.core.job import JobState


def start() -> tuple[Any, Any]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    return manager, client


def interrupt_when_running(manager: Any, name: str, shown: threading.Event) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        # The cell waits for its job from when it begins to show its card.
        running = any(r.name == name and r.status.state is JobState.RUNNING for r in default().jobs())
        if running and shown.is_set():
            manager.interrupt_kernel()
            return
        time.sleep(0.05)


def run(manager: Any, client: Any, step: dict[str, Any]) -> None:
    shown = threading.Event()

    def keep(message: Any) -> None:
        content = message["content"]
        if message["msg_type"] == "display_data":
            shown.set()
        print(content.get("text") or content.get("data", {}).get("text/plain", ""))
        print("\n".join(content.get("traceback", [])))

    thread = threading.Thread(
        target=interrupt_when_running, args=(manager, step.get("interrupt"), shown), daemon=True
    )
    if "interrupt" in step:
        thread.start()
    answer = step.get("answer")
    client.execute_interactive(
        step["run"],
        timeout=90,
        output_hook=keep,
        allow_stdin=answer is not None,
        stdin_hook=lambda _: client.input(answer or ""),
    )


def main() -> None:
    manager, client = start()
    for step in json.loads(sys.argv[1]):
        if step.get("kill"):
            manager.signal_kernel(signal.SIGKILL)
            manager, client = start()
        else:
            run(manager, client, step)
    manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
