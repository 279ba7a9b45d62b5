"""``python -m benchmarks``: measure, print tables, and say which numbers hold."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

from benchmarks import machine, showing
from benchmarks.cluster import Server
from benchmarks.measuring import Report
from benchmarks.surroundings import Surroundings

NAMES = (
    "load_ext",
    "first_submit",
    "submit",
    "notebook",
    "torch_import",
    "tensor",
    "log_lines",
    "job_list",
    "memory",
    "sampling",
    "sampled_start",
    "power_history",
    "kube_submit",
    "kube_log",
    "kube_list",
    "kube_copy",
    "kube_memory",
)


def main(arguments: list[str] | None = None) -> int:
    """0 if everything could be measured, whether it holds or not; 1 if a benchmark broke."""
    options = _parser().parse_args(arguments)
    peers = options.peers.absolute() / "bin" / "python"
    found = peers if peers.exists() else None
    described = machine.describe(found)
    for key, value in described.items():
        print(f"{key:>10}  {value}")
    print()
    reports, broken = [], []
    begun = time.perf_counter()
    with Surroundings(found, quick=options.quick, server=_server(options)) as surroundings:
        for name in options.only or NAMES:
            try:
                room = "kube." if name.startswith("kube_") else ""
                module = importlib.import_module(f"benchmarks.rows.{room}{name}")
                measured: list[Report] = module.run(surroundings)
            except Exception:
                # One benchmark that breaks must not cost the others' results.
                traceback.print_exc()
                broken.append(name)
                continue
            for report in measured:
                print(showing.text(report), end="\n\n", flush=True)
            reports += measured
    print(showing.summary(reports))
    if options.quick:
        print("This was --quick: few samples of small data. The numbers to hold are those of a full run.")
    print(f"\nTook {time.perf_counter() - begun:.0f} s.")
    if options.json is not None:
        options.json.write_text(json.dumps(showing.data(described, reports), indent=1) + "\n")
    if broken:
        print(f"Could not be measured: {', '.join(broken)} (why is said above).", file=sys.stderr)
    return bool(broken)


def _server(options: argparse.Namespace) -> Server | None:
    if options.kubeconfig is None:
        return None
    return Server(kubeconfig=options.kubeconfig, context=options.context, image=options.image)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="fewer repeats, smaller data: does it work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE too")
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(".venv-bench"),
        metavar="DIR",
        help="the peers' virtual environment (default: .venv-bench)",
    )
    real = parser.add_argument_group("a real cluster", "without it, kube_… measure on the fake of the tests")
    named = os.environ.get("SOVLAB_TEST_KUBECONFIG")
    real.add_argument(
        "--kubeconfig",
        type=Path,
        default=Path(named) if named else None,
        metavar="FILE",
        help="of a user who may make namespaces (default: $SOVLAB_TEST_KUBECONFIG)",
    )
    real.add_argument(
        "--context",
        default=os.environ.get("SOVLAB_TEST_CONTEXT"),
        metavar="C",
        help="of the kubeconfig (default: $SOVLAB_TEST_CONTEXT, else the current one)",
    )
    real.add_argument(
        "--image",
        default=os.environ.get("SOVLAB_TEST_IMAGE", Server.image),
        metavar="IMG",
        help="for pods; it has Python (default: $SOVLAB_TEST_IMAGE, else %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
