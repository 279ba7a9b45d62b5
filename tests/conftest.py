"""What all tests share: a state directory of their own, and the end of the agent that they started."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Properties that are tried ten thousand times may take as long as they need."""
    if os.environ.get("SOVLAB_TEST_EXAMPLES"):
        for item in items:
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(scope="session")
def _home() -> Iterator[Path]:
    # Short, because a socket's path must be.
    with tempfile.TemporaryDirectory(prefix="sov-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture(scope="session", autouse=True)
def _own_places(_home: Path) -> Iterator[None]:
    """No test reads or writes the user's jobs or settings."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith("SOVLAB_") and not name.startswith("SOVLAB_TEST_"):
            patch.delenv(name)
    # IPython warns of another environment that is activated, and warnings are errors here.
    patch.delenv("VIRTUAL_ENV", raising=False)
    patch.setenv("SOVLAB_STATE_DIR", str(_home / "state"))
    patch.setenv("SOVLAB_CONFIG_FILE", str(_home / "config.toml"))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def client(_own_places: None) -> Iterator[object]:
    """A client on the local target, for all tests that only need jobs to run; its agent ends with them."""
    from sovlab.client import default
    from sovlab.executors.local import LocalExecutor

    made = default()
    yield made
    executor = made.executor()
    assert isinstance(executor, LocalExecutor)
    executor.stop_agent()
