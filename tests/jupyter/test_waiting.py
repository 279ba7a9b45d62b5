"""Waiting for a job in a cell: an Interrupt is heard, wherever it comes."""

from __future__ import annotations

import signal
import sys
import threading
import weakref

import pytest

from sovlab.jupyter.waiting import wait


class Referent:
    """Something to refer to weakly."""


class Unending:
    """A job that does not end in a test's time."""

    name, id = "long", "long-7k2m9x"

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def wait(self, timeout: float | None = None) -> str:
        assert self.cancelled.wait(60), "nobody interrupted"
        return "ended"

    def cancel(self) -> None:
        self.cancelled.set()


@pytest.fixture(autouse=True)
def as_in_a_cell():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def lose_an_interrupt() -> None:
    """As in an import: Python prints what is raised in the callback of a weak reference, and goes on."""
    referent = Referent()
    reference = weakref.ref(referent, lambda _: signal.raise_signal(signal.SIGINT))
    del referent
    assert reference() is None


@pytest.mark.parametrize(("answer", "told"), [("c", "Cancelling long"), ("", "Detached: long goes on")])
def test_an_interrupt_that_python_loses_comes_again(monkeypatch, capsys, answer, told) -> None:
    lost, job = [], Unending()
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    assert wait(job, show=lose_an_interrupt) == ("ended" if answer else None)
    assert [raised.exc_type for raised in lost] == [KeyboardInterrupt]
    assert told in capsys.readouterr().out
    assert job.cancelled.is_set() is bool(answer)


def test_one_that_is_heard_does_not_come_again(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or "")
    assert wait(Unending(), show=lambda: signal.raise_signal(signal.SIGINT)) is None
    threading.Event().wait(0.5)  # no Interrupt comes here
    assert len(asked) == 1


def test_the_handler_of_somebody_else_is_left_alone() -> None:
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    job = Unending()
    job.cancel()
    assert wait(job, show=lambda: signal.raise_signal(signal.SIGINT)) == "ended"
    assert heard == [1]
    signal.signal(signal.SIGINT, signal.default_int_handler)
