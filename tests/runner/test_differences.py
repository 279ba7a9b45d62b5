"""What is told of outputs that change, and that long ones are not held in memory."""

from __future__ import annotations

import json

import pytest
from nbformat.v4 import new_output

from sovlab.batch.steps import Steps
from sovlab.core import decoding
from sovlab.runner.notebook.differences import Differences
from sovlab.runner.notebook.telling import Teller
from sovlab.runner.protocol.notebook_run import REFERENCE


@pytest.fixture
def telling(tmp_path):
    """Differences of cell 0, and what they have told so far."""
    frames = []
    teller = Teller(frames.append, str(tmp_path))

    def told():
        teller.close()
        steps = Steps()
        return [step for frame in frames for step in steps.take(decoding.frame(frame))]

    return Differences(teller), told


def shown(text, kind="display_data", **members):
    return new_output(kind, {"text/plain": text}, **members)


def whole(output, folder):
    return json.loads((folder / output[REFERENCE]).read_bytes())


def test_a_long_output_is_in_a_file_alone(telling, tmp_path):
    differences, told = telling
    outputs = [shown("x" * 100_000, "execute_result", execution_count=3), shown("short")]
    original = json.loads(json.dumps(outputs))
    differences.tell(0, outputs)
    assert outputs[0].keys() == {REFERENCE, "size", "output_type", "execution_count"}
    assert whole(outputs[0], tmp_path) == original[0]
    assert outputs[1] == original[1]
    first, second = told()
    assert first["output"][REFERENCE] == outputs[0][REFERENCE]
    assert second["output"] == original[1]


def test_a_long_output_that_is_updated_is_told_again_and_is_its_new_content(telling, tmp_path):
    differences, told = telling
    outputs = [shown("x" * 100_000, "execute_result", execution_count=3)]
    differences.tell(0, outputs)
    differences.tell(0, outputs, changed=True)  # nothing has changed
    outputs[0]["data"], outputs[0]["metadata"] = {"text/plain": "new"}, {}  # as nbclient does it
    differences.tell(0, outputs, changed=True)
    assert outputs == [shown("new", "execute_result", execution_count=3)]
    outputs[0]["data"] = {"text/plain": "y" * 100_000}
    differences.tell(0, outputs, changed=True)
    assert whole(outputs[0], tmp_path)["data"] == {"text/plain": "y" * 100_000}
    assert [step["at"] for step in told()] == [0, 0, 0]


def test_of_much_that_is_shown_only_what_is_small_stays_in_memory(telling, tmp_path):
    differences, told = telling
    outputs = []
    for number in range(1000):
        outputs += [shown(f"{number:05}" * 10_000), shown(str(number))]
        differences.tell(0, outputs)
    held = len(json.dumps(outputs))
    assert 32 << 20 < held < 33 << 20
    for number in (0, 999):
        output = outputs[2 * number]
        kept = whole(output, tmp_path) if REFERENCE in output else output
        assert kept["data"]["text/plain"] == f"{number:05}" * 10_000
    assert REFERENCE in outputs[-2]
    assert outputs[-1]["data"]["text/plain"] == "999"
    assert all(REFERENCE not in step["output"] for step in told())  # the log carries all of it


def test_outputs_that_were_cleared_are_told_as_new(telling):
    differences, told = telling
    outputs = [shown("x" * 100_000), shown("1")]
    differences.tell(0, outputs)
    outputs[:] = [shown("2"), shown("3")]  # after a delayed clear_output()
    differences.tell(0, outputs)
    outputs[:] = []
    differences.tell(0, outputs)
    assert [(step["op"], step.get("at")) for step in told()] == [
        ("output", 0),
        ("output", 1),
        ("clear", None),
        ("output", 0),
        ("output", 1),
        ("clear", None),
    ]
