"""Names that the code looks up as text: ``globals()["x"]``."""

import pytest

USES = [
    "globals()['x']",
    "globals().get('x', 0)",
    "'x' in globals()",
    "vars()['x']",
    "locals().get('x')",
    "'x' not in vars()",
    "globals().get('missing', 3)",
    "'missing' in globals()",
    "(lambda: globals()['x'])()",
    "f()",
    "g()",
]
HERE = (
    "x = [5]\ndef f():\n    return globals()['x']\n"
    "def g(y=1):\n    return locals()['y'] if 'x' in globals() else None"
)


@pytest.mark.parametrize("use", USES)
def test_a_name_that_is_looked_up_is_there(notebook, use):
    notebook.run(HERE)
    packed = notebook.pack(f"print(({use}))")
    assert packed.messages == []
    assert notebook.job(packed)[0] == f"{notebook.run(use)}\n"


@pytest.mark.parametrize("code", ["print(len(globals()))", "n = 'x'\nprint(globals()[n])", "print(dir())"])
def test_looking_through_all_names_is_told(notebook, code):
    notebook.run(HERE)
    (said,) = notebook.pack(code).messages
    assert "looks through" in said
    assert "what the code reads by name, and no more" in said


@pytest.mark.parametrize(
    "code",
    [
        "globals()['y'] = 1",
        "globals().update(y=1)",
        "def h():\n    a = 1\n    return locals()\nprint(h())",
        "class C:\n    b = dir()\n    v = vars()",
        "print(dir(x), vars(type))",
    ],
)
def test_what_does_not_look_at_them_says_nothing(notebook, code):
    notebook.run(HERE)
    assert notebook.pack(code).messages == []
