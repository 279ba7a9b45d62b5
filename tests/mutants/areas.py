"""Which tests are those of a module."""

from __future__ import annotations

from pathlib import Path

ELSEWHERE = {
    "sovlab/executors/kubernetes": ["tests/kube/executor"],
    "sovlab/executors/local": ["tests/executors"],
    "sovlab/executors": ["tests/executors"],
    "sovlab/options": ["tests/cli", "tests/jupyter/test_magics.py", "tests/client"],
    "sovlab/settings": [
        *("tests/test_settings.py", "tests/test_trusted_settings.py", "tests/test_states.py"),
        *("tests/test_site_settings.py", "tests/test_forecast_settings.py", "tests/cli/test_target.py"),
    ],
    "sovlab/codec.py": ["tests/test_codec.py"],
    "sovlab/client/target_setup.py": ["tests/cli/test_target.py"],
    "sovlab/client": ["tests/client", "tests/cli", "tests/jupyter/test_out.py"],
    "sovlab/runner/notebook": ["tests/batch"],
    "sovlab/runner/pod": ["tests/kube/executor"],
    "sovlab/runner/source": ["tests/payload", "tests/runner"],
    "sovlab/runner/values": ["tests/payload", "tests/runner"],
    "sovlab": ["tests/cli", "tests/client"],
}
"""Rooms whose tests lie elsewhere than in the folder of their name."""


def tests_of(module: str, root: Path) -> list[str]:
    """The tests of a module, by path: of the narrowest room for which there are some.

    Args:
        module: its path from the root, ``sovlab/kube/reading/status.py``.
        root: of the project.
    """
    path = Path(module)
    for room in (path, *path.parents):
        name = room.as_posix()
        if name in ELSEWHERE:
            return [each for each in ELSEWHERE[name] if (root / each).exists()]
        beside = Path("tests", *room.parts[1:])
        own = root / beside.parent / f"test_{beside.stem}.py"
        if room == path and own.is_file() and len(room.parts) > 2:
            return [beside.parent.as_posix()]
        if room != path and len(room.parts) > 1 and any((root / beside).rglob("test_*.py")):
            return [beside.as_posix()]
    return ["tests"]
