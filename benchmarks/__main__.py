"""``python -m benchmarks``: measure, print tables, and say which numbers hold."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from pathlib import Path

from benchmarks import machine, showing
from benchmarks.measuring import Report
from benchmarks.place import Place

NAMES = ("load_ext", "submit", "torch_import", "tensor", "log_lines", "job_list", "memory")


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
    with Place(found, quick=options.quick) as place:
        for name in options.only or NAMES:
            try:
                measured: list[Report] = importlib.import_module(f"benchmarks.{name}").run(place)
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
