"""``python -m tests.mutants``: change the code at random places, and see whether the tests of the area fail.

The changes are those of Cosmic Ray's operators (https://cosmic-ray.readthedocs.io), each in a copy of the
last commit. A module is chosen by how many lines it has, then one of its changes; what changes only
annotations or docstrings, which nothing evaluates, or is no Python any more, is not counted.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db

from tests.mutants.areas import tests_of

ROOT = Path(__file__).parents[2]
TIMEOUT = 1200
"""Seconds after which tests that do not end count as having noticed."""


class _Bare(ast.NodeTransformer):
    """Takes out what no code evaluates."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def _function(self, node: Any) -> Any:
        node.returns = None
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_Expr(self, node: ast.Expr) -> Any:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)


def behaviour(source: str) -> str | None:
    """What of a module may change what it does; None if it is no Python."""
    try:
        return ast.dump(_Bare().visit(ast.parse(source)))
    except SyntaxError:
        return None


def changes(module: Path, database: Path) -> list[Any]:
    """All changes that Cosmic Ray knows of a module."""
    with use_db(str(database), WorkDB.Mode.create) as found:
        init([module], found, {})
        return [item.mutations[0] for item in found.work_items]


def sample(count: int, seed: int, rooms: str) -> list[tuple[str, str, str]]:
    """Modules with how they are called and what they become: ``(path, what is changed, source)``."""
    rng = random.Random(seed)
    modules = sorted(p for p in (ROOT / "sovlab").rglob("*.py") if rooms in p.as_posix())
    lines = [len(path.read_text().splitlines()) for path in modules]
    made: dict[tuple[str, str], tuple[str, str, str]] = {}
    known: dict[Path, list[Any]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(count * 50):
            if len(made) == count:
                break
            (module,) = rng.choices(modules, lines)
            if module not in known:
                known[module] = changes(module, Path(directory, f"{number}.sqlite"))
            if not known[module]:
                continue
            chosen = rng.choice(known[module])
            source = module.read_text()
            changed = mutate_code(
                source, get_operator(chosen.operator_name)(**chosen.operator_args), chosen.occurrence
            )
            if changed is None or behaviour(changed) in (behaviour(source), None):
                continue
            name = module.relative_to(ROOT).as_posix()
            what = f"{chosen.operator_name.partition('/')[2]} in line {chosen.start_pos[0]}"
            made[name, changed] = (name, what, changed)
    return list(made.values())


def copy_of_the_last_commit(directory: Path) -> Path:
    """A copy of the project in which code is changed."""
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(directory)], check=True)
    built = ROOT / "sovlab" / "labextension"
    if built.exists():
        shutil.copytree(built, directory / "sovlab" / "labextension", dirs_exist_ok=True)
    return directory


def noticed(copy: Path, module: str, changed: str, python: str) -> tuple[bool, str]:
    """Whether the tests of a module fail on what it becomes, and the first that does."""
    path = copy / module
    source = path.read_text()
    path.write_text(changed)
    words = ["-m", "pytest", "-q", "-x", "-n0", "--no-header", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [python, *words, *tests_of(module, copy)],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return True, "they did not end"
    finally:
        path.write_text(source)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode != 0, lines[0] if lines else ""


def main() -> int:
    """Run the sample, and print what survived."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=100, help="changes (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: 1)")
    parser.add_argument("--rooms", default="", help="part of the path of modules (default: all)")
    parser.add_argument("--at-once", type=int, default=1, help="copies that are worked in (default: 1)")
    parser.add_argument("--python", default=sys.executable, help="interpreter with what the tests need")
    parser.add_argument("--json", type=Path, help="write all of it to this file, too")
    asked = parser.parse_args()
    chosen = sample(asked.count, asked.seed, asked.rooms)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="sov-mutants-") as directory:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(asked.at_once):
            copies.put(copy_of_the_last_commit(Path(directory, str(number))))

        def run(change: tuple[str, str, str]) -> None:
            module, what, changed = change
            copy = copies.get()
            try:
                seen, by = noticed(copy, module, changed, asked.python)
            finally:
                copies.put(copy)
            results.append({"module": module, "change": what, "noticed": seen, "by": by})
            print(f"{'noticed ' if seen else 'SURVIVED'}  {module}: {what}  {by[:100]}", flush=True)

        with ThreadPoolExecutor(asked.at_once) as pool:
            list(pool.map(run, chosen))
    seen = sum(each["noticed"] for each in results)
    print(f"\n{seen} of {len(results)} noticed ({seen / max(len(results), 1):.0%}), seed {asked.seed}")
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
