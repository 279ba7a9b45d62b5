"""What a pod answers to our commands: it may be anybody's, and says what it likes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.kube.transport import exec_files
from sovlab.kube.transport.errors import ClusterError
from sovlab.kube.transport.exec import ERROR, MOST, STDERR, STDOUT, CommandFailed, ExecChannel
from sovlab.kube.transport.exec_files import Container
from tests import hostile


class Answers:
    """An API whose pods answer each command with these messages, and then close the connection."""

    def __init__(self, *messages: bytes) -> None:
        self.messages = messages
        self.commands: list[list[str]] = []

    def exec(self, namespace: str, pod: str, container: str, command: list[str]) -> ExecChannel:
        self.commands.append(command)
        return ExecChannel(_Socket(self.messages), f"run a command in pod {pod}")


class _Socket:
    def __init__(self, messages: tuple[bytes, ...]) -> None:
        self._messages = list(messages)

    def recv(self) -> bytes:
        return self._messages.pop(0) if self._messages else b""

    def settimeout(self, seconds: float) -> None: ...

    def send_frame(self, frame: Any) -> None:
        frame.format()

    def getsubprotocol(self) -> str:
        return "v5.channel.k8s.io"

    def close(self, timeout: float) -> None: ...

    def shutdown(self) -> None: ...


SUCCESS = bytes([ERROR]) + b'{"status": "Success"}'


def out(data: bytes) -> bytes:
    return bytes([STDOUT]) + data


def container(api: Answers) -> Container:
    return Container(api, "research", "digits-0", "python3")  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_files, "_PAUSE", 0.0)


def test_what_the_runner_answers_is_taken(tmp_path: Path) -> None:
    api = Answers(out(b"5\n"), out(b"hel"), out(b"lo"), SUCCESS)
    container(api).fetch(tmp_path / "results.pack")
    assert (tmp_path / "results.pack").read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ((out(b"x" * 1000), SUCCESS), "no number of bytes"),
        ((out(b"1e9\n"), SUCCESS), "no number of bytes"),
        ((out(b"9" * 5000 + b"\n"), SUCCESS), "no number of bytes"),
        ((out(b"2\nmuch more"), SUCCESS), "sent more of"),
        ((out(b"9999999999999999\n"), SUCCESS), "make room"),
        ((out(b"-5\nhello"), SUCCESS), "sent more of"),
        ((out(b"9\nhello"), SUCCESS), "incomplete|sent more of"),
        ((SUCCESS,), "incomplete"),
    ],
)
def test_what_is_not_the_runners_answer_is_refused_in_a_few_tries(
    tmp_path: Path, messages: tuple[bytes, ...], why: str
) -> None:
    api = Answers(*messages)
    with pytest.raises(ClusterError, match=why):
        container(api).fetch(tmp_path / "results.pack")
    assert list(tmp_path.iterdir()) == []
    assert len(api.commands) <= 10


def test_of_an_answer_that_should_be_short_no_more_than_that_is_kept() -> None:
    api = Answers(*[out(b"x" * (MOST // 4))] * 40, SUCCESS)
    with pytest.raises(CommandFailed, match="more than"):
        container(api).run("received", "/work")


statuses = st.one_of(
    hostile.odd.map(lambda value: json.dumps(value, default=str, skipkeys=True).encode(errors="replace")),
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["Success", "Failure", None, 3]),
            "message": st.one_of(st.none(), hostile.texts, st.integers()),
            "details": st.one_of(
                st.none(),
                st.fixed_dictionaries({"causes": st.one_of(st.none(), st.lists(hostile.odd, max_size=2))}),
            ),
        },
    ).map(lambda value: json.dumps(value, default=str, skipkeys=True).encode(errors="replace")),
    st.binary(max_size=40),
)
heads = st.one_of(st.integers(-5, 60).map(lambda n: b"%d\n" % n), st.binary(max_size=60))
messages = st.lists(
    st.one_of(
        heads.map(out),
        st.binary(max_size=80).map(out),
        st.binary(max_size=30).map(lambda data: bytes([STDERR]) + data),
        statuses.map(lambda data: bytes([ERROR]) + data),
        st.binary(min_size=1, max_size=30),
    ),
    max_size=6,
)


def refusal(do: Callable[[], Any]) -> str | None:
    """The message of an error of ours; None if there was none."""
    try:
        do()
    except ClusterError as error:
        return str(error)
    return None


@hostile.examples(300)
@given(messages)
def test_whatever_a_pod_answers_is_a_whole_file_or_an_error_of_ours(found: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, "results.pack")
        why = refusal(lambda: container(Answers(*found)).fetch(target))
        assert [path.name for path in Path(directory).iterdir()] == ([] if why else ["results.pack"])
        assert why or target.stat().st_size <= 60
    for said in (why, refusal(lambda: container(Answers(*found)).run("received", "/work"))):
        assert len(said or "") < 500
        assert "\x1b" not in (said or "")
