"""Behaviours 37 and 38, and many and long outputs: what cells show."""

from __future__ import annotations

import pytest
from nbclient.exceptions import CellTimeoutError

from tests.batch.conformance.engines import calls, prepared

# What other processes print goes through a pipe, which a thread of the kernel reads: wait until it has.
TAKEN = (
    "import array, fcntl, termios, time\n"
    "def taken(descriptor):\n"
    "    left = array.array('i', [1])\n"
    "    while left[0]:\n"
    "        time.sleep(0.2)\n"
    "        fcntl.ioctl(descriptor, termios.FIONREAD, left)\n"
    "    time.sleep(0.2)\n"
)
LATE = (
    "import threading, time, subprocess\nsaid = threading.Event()\n"
    "def late():\n    said.wait(); print('late'); \n"
    "thread = threading.Thread(target=late)\nthread.start()\nprint('first')",
    "said.set()\nthread.join()\nprint('second')",
    f"{TAKEN}subprocess.run(['echo', 'by a process'], check=True)\ntaken(1)",
    "import os\nos.system('echo by a shell >&2')\ntaken(2)",
    # Too late: the cell that is the last has ended.
    "def never():\n    over.wait(); time.sleep(1); print('never seen')\n"
    "over = threading.Event()\nthreading.Thread(target=never).start()\n"
    "get_ipython().events.register('post_run_cell', lambda result: over.set())",
)


def stream(nb, index):
    return "".join("".join(output.get("text", ())) for output in nb["cells"][index]["outputs"])


def test_37_output_that_comes_late_or_from_other_processes(client, tmp_path):
    nb = calls(prepared(tmp_path, *LATE)).same()
    assert "late\n" in stream(nb, 0) + stream(nb, 1)
    assert stream(nb, 2) == "by a process\n"
    assert stream(nb, 3) == "by a shell\n"
    assert stream(nb, 4) == ""


DISPLAYED = (
    "from IPython.display import clear_output, display\nimport ipywidgets\n"
    "h = display('v1', display_id=True); display('beside')",
    "h.update('v2'); display('own', display_id=h.display_id)\nNone",
    "h.update('v3')",
    "display('a'); display('b')\nclear_output()\ndisplay('c')\nclear_output(wait=True)\n"
    "display('d'); display('e')",
    "display('gone')\nclear_output(wait=True)",
    "slider = ipywidgets.IntSlider(value=3)\nslider",
    "slider.value = 5",
    "out = ipywidgets.Output()\nwith out:\n    print('inside'); display('too')\nout",
    "with out:\n    clear_output(); print('instead')",
    r"print('1%\r2%\r3%')" + "\nimport sys; print('e', file=sys.stderr)",
)


@pytest.fixture(scope="module")
def displayed(client, tmp_path_factory):
    """A notebook with all that changes outputs that are there.

    Where much runs beside it, papermill's own engine now and then waits for ever for one of its cells.
    """
    for _ in range(3):
        made = calls(
            prepared(
                tmp_path_factory.mktemp("displayed"),
                *DISPLAYED,
            ),
            execution_timeout=25,
        )
        if not isinstance(made.own.error, CellTimeoutError):
            break
    return made


def shown(nb, index):
    return ["".join(output["data"]["text/plain"]) for output in nb["cells"][index]["outputs"]]


def test_38_displays_that_are_updated_and_cleared(displayed):
    nb = displayed.same()
    assert shown(nb, 0) == ["'v3'", "'beside'"]
    assert shown(nb, 1) == ["'v3'"]
    assert nb["cells"][2]["outputs"] == []
    assert shown(nb, 3) == ["'d'", "'e'"]
    assert shown(nb, 4) == ["'gone'"]
    assert stream(nb, 9).splitlines()[0] == "1%"


def test_38_widgets_have_their_last_state(displayed):
    nb = displayed.same()
    (bundle,) = nb["metadata"]["widgets"].values()
    states = [each["state"] for each in bundle["state"].values()]
    assert [state["value"] for state in states if state["_model_name"] == "IntSliderModel"] == [5]
    (captured,) = (state["outputs"] for state in states if state["_model_name"] == "OutputModel")
    assert captured == [{"name": "stdout", "output_type": "stream", "text": "instead\n"}]


def test_many_and_long_outputs(client, tmp_path):
    nb = calls(
        prepared(
            tmp_path,
            "for i in range(300):\n    print(i, flush=True)\n    display(i)",
            "print('x' * 200_000)",
            "'y' * 100_000",
            "print('z' * 70_000); 1/0",
        )
    ).same()
    assert len(nb["cells"][1]["outputs"]) == 600  # behind the mark of the error
