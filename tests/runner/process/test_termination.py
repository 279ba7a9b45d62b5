"""The termination message: 4096 bytes in which a pod leaves its exit record and, if they fit, its results."""

from __future__ import annotations

import base64
import json
import os
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.core.decoding import ended_status, exit_record
from sovlab.runner.protocol.termination import LIMIT, decode, encode

Record = dict[str, Any]


def record(reason: str = "succeeded", message: str = "", **more: Any) -> Record:
    """An exit record as the supervisor makes it."""
    return {
        "version": 1,
        "reason": reason,
        "message": message,
        "exit_code": 0,
        "signal": "",
        "error": None,
        "results": None,
        "progress": None,
        "imported": ["torch"],
        "started": 1795648005.5,
        "ended": 1795648008.25,
        "python": "3.11.2",
        "host": "digits-7k2m9x-zzz88",
        **more,
    }


def raised(traceback: str, message: str = "shapes (3, 4) and (5, 6) not aligned", frames: int = 3) -> Record:
    frame = {"label": "Cell In[7]", "line": 4, "function": "train", "source": "loss = criterion(net(x), z)"}
    error = {"type": "ValueError", "module": "builtins", "message": message, "traceback": traceback}
    return record(
        "user_error", f"ValueError: {message}", error={**error, "frames": [frame] * frames, "rank": None}
    )


def words(count: int, seed: int = 7) -> str:
    """Text that cannot be compressed much."""
    chance = random.Random(seed)
    return "\n".join(
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789 _()", k=70)) for _ in range(count)
    )


def read(data: bytes) -> tuple[Record, bytes | None]:
    """What a client makes of a message, as the API gives it."""
    found, results = decode(data.decode())
    assert found is not None
    return found, results


texts = st.text(max_size=3000) | st.text("ab \n", max_size=3000).map(lambda t: t * 40)
errors = st.fixed_dictionaries(
    {
        "type": st.text(max_size=40),
        "message": texts,
        "traceback": texts,
        "frames": st.lists(
            st.dictionaries(st.text(max_size=8), st.text(max_size=80), max_size=4), max_size=60
        ),
    }
)
returned = st.fixed_dictionaries(
    {
        "names": st.lists(
            st.fixed_dictionaries({"name": st.text(max_size=20), "type": st.text(max_size=60)}), max_size=80
        ),
        "unreturned": st.lists(st.text(max_size=30), max_size=200),
    }
)
records = st.builds(
    record,
    reason=st.sampled_from(["succeeded", "user_error", "killed", "cancelled", "lost"]),
    message=texts,
    error=st.none() | errors,
    results=st.none() | returned,
    progress=st.none() | st.dictionaries(st.text(max_size=10), st.floats() | texts, max_size=5),
    imported=st.lists(st.text(max_size=30), max_size=50),
    python=st.text(max_size=100),
    host=st.text(max_size=300),
)


@given(records, st.none() | st.binary(max_size=6000))
@settings(max_examples=150, deadline=None)
def test_a_message_is_never_too_long_and_always_says_how_the_job_ended(
    told: Record, results: bytes | None
) -> None:
    data, inside = encode(told, results)
    assert len(data) <= LIMIT
    found, pack = read(data)
    assert found["reason"] == told["reason"]
    if inside:
        assert json.dumps(found) == json.dumps(told)
        assert (pack or b"") == results
    else:
        assert pack is None


@given(records)
@settings(max_examples=50, deadline=None)
def test_a_status_can_be_made_of_whatever_was_left_of_a_record(told: Record) -> None:
    assert ended_status(exit_record(read(encode(told)[0])[0]), None).state.ended


def test_a_record_that_fits_is_told_whole() -> None:
    told = raised("Cell In[7], line 4, in train\n--> 4 loss = criterion(net(x), z)\nValueError: …\n")
    data, inside = encode(told)
    assert read(data) == (told, None)
    assert not inside


def test_small_results_travel_in_the_message() -> None:
    results = os.urandom(2000)
    data, inside = encode(record(), results)
    assert inside
    assert read(data) == (record(), results)


def test_large_results_do_not_and_the_record_is_whole_all_the_same() -> None:
    for results in (os.urandom(3000), b"x" * (16 * LIMIT + 1)):
        data, inside = encode(record(), results)
        assert not inside
        assert read(data) == (record(), None)


def test_results_are_in_the_message_exactly_as_long_as_they_fit() -> None:
    results = random.Random(1).randbytes(4000)
    fits = [size for size in range(2000, 3200) if encode(record(), results[:size])[1]]
    assert fits == list(range(2000, fits[-1] + 1))
    assert fits[-1] > 2500
    assert len(encode(record(), results[: fits[-1]])[0]) > LIMIT - 16


def test_results_that_compress_well_fit_though_they_are_large() -> None:
    data, inside = encode(record(), b"\0" * 60000)
    assert inside
    assert read(data)[1] == b"\0" * 60000


def test_people_read_the_first_line() -> None:
    told = record("killed", "It was ended\n  from outside\tby SIGTERM.")
    assert encode(told)[0].splitlines()[0] == b"killed: It was ended from outside by SIGTERM."
    assert encode(record())[0].splitlines()[0] == b"succeeded"


@pytest.mark.parametrize(
    "text", ["x" * 5000, "\n" * 5000, "é" * 5000, "😀" * 5000, "\u202e\u0000\u2028" * 500]
)
def test_the_first_line_is_short_and_one_line(text: str) -> None:
    first, rest = encode(record("user_error", text))[0].split(b"\n", 1)
    assert len(first) <= 160
    first.decode()  # not cut within a character
    assert rest.startswith(b"sovlab:1:")
    assert b"\n" not in rest


def test_what_users_write_cannot_be_mistaken_for_the_record() -> None:
    fake = encode(record("succeeded"))[0].decode()
    told = record("user_error", f"sovlab:1:AAAA {fake}")
    assert read(encode(told)[0])[0] == told


@pytest.mark.parametrize(
    "text", ["\ud800", "caf\u00e9 \U0001f600", "\u05e9\u05dc\u05d5\u05dd", "\x00\x1b[31m"]
)
def test_any_text_comes_back(text: str) -> None:
    told = record("user_error", text)
    assert read(encode(told)[0])[0]["message"] == text


# --- what is left out of a record that is too long


def test_a_long_traceback_that_repeats_itself_is_kept_whole() -> None:
    traceback = "Cell In[7], line 2, in f\n--> 2     return f(n - 1)\n" * 2000
    found, _ = read(encode(raised(traceback))[0])
    assert found["error"]["traceback"] == traceback


@pytest.mark.parametrize("lines", [60, 100, 1000])
def test_a_longer_traceback_keeps_its_begin_and_its_end(lines: int) -> None:
    traceback = f"Cell In[7], line 4, in train\n{words(lines)}\nValueError: shapes not aligned\n"
    found, _ = read(encode(raised(traceback, frames=40))[0])
    kept = found["error"]["traceback"]
    assert kept.startswith("Cell In[7], line 4, in train\n")
    assert kept.endswith("\nValueError: shapes not aligned\n")
    assert "\n…\n" in kept
    assert len(kept) > 1000, "most of the room is for it"
    assert found["error"]["type"] == "ValueError"
    assert found["error"]["message"] == "shapes (3, 4) and (5, 6) not aligned"
    assert found["exit_code"] == 0


def test_frames_go_before_the_text_of_a_traceback_does() -> None:
    traceback = words(25)
    told = raised(traceback)
    told["error"]["frames"] = [
        {"label": words(1, seed=n), "line": n, "function": "f", "source": ""} for n in range(60)
    ]
    found, _ = read(encode(told)[0])
    assert found["error"]["frames"] == []
    assert found["error"]["traceback"] == traceback


def test_a_long_message_of_an_exception_is_shortened_too() -> None:
    found, _ = read(encode(raised("ValueError\n", message=words(500)))[0])
    assert found["error"]["message"].startswith(words(500)[:100])
    assert found["message"].startswith("ValueError: ")


def test_what_came_back_is_told_before_what_did_not() -> None:
    names = [
        {"name": f"v{n}", "type": "numpy.ndarray", "size": n, "detail": "", "error": ""} for n in range(30)
    ]
    unreturned = words(80).split("\n")
    found, _ = read(encode(record(results={"names": names, "unreturned": unreturned}))[0])
    assert found["results"] == {"names": names, "unreturned": []}


def test_where_the_results_are_is_never_left_out() -> None:
    told = {
        **raised(words(2000)),
        "kept": "store",
        "results": {"names": [{"name": words(100)}], "unreturned": []},
    }
    assert read(encode(told)[0])[0]["kept"] == "store"


def test_nothing_makes_a_message_that_cannot_be_read() -> None:
    absurd = {
        key: words(300, seed) for seed, key in enumerate(("reason", "host", "python", "signal", "kept"))
    }
    data, _ = encode({**record(), **absurd})
    assert len(data) <= LIMIT
    assert read(data)[0]["reason"].startswith(words(1, 0)[:10])


# --- damage


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_message_that_was_cut_or_changed_is_read_as_it_was_or_not_at_all(data: st.DataObject) -> None:
    text = encode(raised(words(20)), None)[0].decode()
    cut = text[: data.draw(st.integers(0, len(text)))]
    at, other = data.draw(st.integers(0, len(text) - 1)), data.draw(st.characters())
    for damaged in (cut, text[:at] + other + text[at + 1 :]):
        found, results = decode(damaged)
        assert found is None or found == read(text.encode())[0]
        assert results is None


def packed(text: bytes, size: int | None = None) -> str:
    body = zlib.compress((len(text) if size is None else size).to_bytes(4, "little") + text)
    return "x\nsovlab:1:" + base64.b64encode(body).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Traceback:\nImportError: no\n",  # the end of a log, where no message was left
        "sovlab:1:",
        "sovlab:1:not base64",
        "sovlab:1:é",
        "sovlab:2:eJw=",
        "sovlab:1:" + base64.b64encode(b"no zlib").decode(),
        packed(b""),
        packed(b"no json"),
        packed(b"[1]"),
        packed(b'"text"'),
        packed(b"{}"),
        packed(b'{"reason": 7}'),
        packed(b'{"reason": "succeeded"}', size=2**32 - 1),
        packed(b"\xff\xfe"),
        packed(b"[" * 200_000),
    ],
)
def test_what_is_no_message_is_none(text: str) -> None:
    found, results = decode(text)
    assert found is None or found == {"reason": "succeeded"}
    assert results is None


def test_a_newline_that_was_added_does_not_matter() -> None:
    data, _ = encode(record(), b"results")
    assert decode(data.decode() + "\n") == (record(), b"results")


def test_reasons_of_sensors_give_way_to_results() -> None:
    reasons = {f"sensor{n}": words(40, n) for n in range(8)}
    energy = {"devices": [{"id": "GPU-1", "energy": {"j": 5.0, "source": "counter"}}], "unavailable": reasons}
    results = random.Random(1).randbytes(2200)
    message, inside = encode(record(energy=energy), results)
    found, unpacked = decode(message.decode())
    assert inside
    assert unpacked == results
    assert found is not None
    assert found["energy"] == {**energy, "unavailable": {}}
    message, _ = encode(record(energy={**energy, "unavailable": {"nvml": "There is no library."}}))
    found, _ = decode(message.decode())
    assert found is not None
    assert found["energy"]["unavailable"] == {"nvml": "There is no library."}
