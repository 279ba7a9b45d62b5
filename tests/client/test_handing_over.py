"""A job that cannot be handed over to its target."""

from __future__ import annotations

import errno

import pytest

from sovlab.client import Call
from sovlab.errors import ExecutorError
from sovlab.executors.local import LocalExecutor
from sovlab.options.job import from_keywords


def test_an_error_of_the_system_names_the_job_and_the_target(client, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalExecutor, "submit", full)
    with pytest.raises(ExecutorError, match=r"Job quick could not be submitted to target local: .*No space"):
        client.submit(Call(pow, (2, 5)), from_keywords({"name": "quick", "backend": "cpu"}))
