"""Calls that changed a library are named before the run; definitions registered with one travel."""

import pytest

TOLD = {
    "a class of the standard library": (
        "import collections.abc\nclass B:\n    pass\ncollections.abc.Sized.register(B)",
        "isinstance(B(), collections.abc.Sized)",
        "collections.abc.Sized.register(B)",
    ),
    "a function that was imported": (
        "import codecs\nfrom codecs import register_error\nregister_error('mine', lambda e: ('?', e.end))",
        "codecs.lookup_error",
        "register_error('mine', lambda e: ('?', e.end))",
    ),
    "threads": ("import torch\ntorch.set_num_threads(1)", "torch.ones(1)", "torch.set_num_threads(1)"),
    "under another name, in a block": (
        "import faulthandler as faults\nif True:\n    faults.enable()",
        "faults.is_enabled()",
        "faults.enable()",
    ),
    "a long one": (
        "import mimetypes\nmimetypes.add_type('application/x-something-very-long-indeed', '.something')",
        "mimetypes.guess_type('a.b')",
        "mimetypes.add_type('application/x-something-very-long-inde…)",
    ),
}


@pytest.mark.parametrize("form", TOLD)
def test_a_call_that_changed_a_library_is_named(notebook, form):
    setup, use, call = TOLD[form]
    notebook.run(setup)
    packed = notebook.pack(f"print({use})")
    assert packed.messages == [f"What earlier cells did with {call} is not in force in a job: do it there."]


def test_several_are_named_together_and_each_once(notebook):
    notebook.run("import mimetypes\nmimetypes.add_type('a/b', '.b')\nmimetypes.add_type('a/b', '.b')")
    notebook.run("mimetypes.add_type('a/c', '.c')")
    (message,) = notebook.pack("print(mimetypes.guess_type('x.b'))").messages
    calls = "mimetypes.add_type('a/b', '.b'), mimetypes.add_type('a/c', '.c')"
    assert message.endswith(f"{calls} is not in force in a job: do them there.")


@pytest.mark.parametrize(
    "setup",
    [
        "import mimetypes, math\nmimetypes.add_type('a/b', '.b')",  # the code does not use it
        "import math\nclass Settings:\n    def set_rate(self):\n        pass\nSettings().set_rate()",
        "import math\ndef f():\n    import mimetypes\n    mimetypes.add_type('a/b', '.b')",
        "import math\nseen = set()\nseen.add(1)",
    ],
)
def test_what_changes_nothing_or_travels_is_not(notebook, setup):
    notebook.run(setup)
    assert notebook.pack("print(math.pi)").messages == []


@pytest.mark.parametrize(
    "setup",
    [
        "import torch\ntorch.set_default_dtype(torch.float32)\ntorch.set_grad_enabled(True)",
        "import numpy as np\nnp.set_printoptions(precision=8)",
        "import gc\ngc.disable()\ngc.enable()",
        "import socket\nsocket.setdefaulttimeout(None)",
    ],
)
def test_settings_that_travel_are_not(notebook, setup):
    notebook.run(setup)
    module = setup.split()[1]
    assert notebook.pack(f"import {module}\nprint({module})").messages == []


def test_a_definition_that_a_decorator_registers_travels(notebook):
    notebook.run(
        "import pandas as pd\n"
        "@pd.api.extensions.register_dataframe_accessor('twice')\n"
        "class Twice:\n"
        "    def __init__(self, frame):\n        self.frame = frame\n"
        "    def sum(self):\n        return helper(self.frame)\n"
        "def helper(frame):\n    return int(2 * frame.x.sum())\n"
        "df = pd.DataFrame({'x': [1, 2]})"
    )
    try:
        out, _ = notebook.submit("print(df.twice.sum(), pd.DataFrame({'x': [5]}).twice.sum())")
    finally:
        notebook.run("del pd.DataFrame.twice")
    assert out == "6 10\n"
