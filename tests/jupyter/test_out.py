"""What ``--out`` brings back: definitions too, and what a cell that failed had bound."""

import pytest

from sovlab.errors import PendingResultError

DEFINED = {
    "a function": ("def f(x):\n    return x + 2", "f(1)", 3),
    "a lambda": ("f = lambda x: x + 2", "f(1)", 3),
    "a class": ("class f:\n    size = 3", "f().size", 3),
    "a decorated function": (
        "import functools\n@functools.lru_cache\ndef f(x):\n    return x + 2",
        "f(1)",
        3,
    ),
    "a function with a helper": (
        "def helper(x):\n    return x + 2\ndef f(x):\n    return helper(x)",
        "f(1)",
        3,
    ),
    "a dataclass": ("import dataclasses\n@dataclasses.dataclass\nclass f:\n    size: int = 3", "f().size", 3),
    "a closure": ("def make(n):\n    return lambda x: x + n\nf = make(2)", "f(1)", 3),
    "a generator function": ("def f(x):\n    yield x + 2", "next(f(1))", 3),
    "a coroutine function": ("async def f(x):\n    return x + 2", "await f(1)", 3),
}


@pytest.mark.parametrize("form", DEFINED)
@pytest.mark.parametrize(
    "before", [None, "f = 'a value'", "def f(x):\n    return 'old'"], ids=["", "value", "older"]
)
def test_a_definition_comes_back_and_is_used_in_the_next_cell(notebook, form, before):
    source, use, expected = DEFINED[form]
    if before:
        notebook.run(before)
    notebook.run(f"%%sovsubmit --out f --wait\n{source}")
    notebook.run(f"got = {use}")
    assert notebook["got"] == expected
    # And from there to the next job, and back.
    if "await" not in use:
        notebook.run(f"%%sovsubmit --out again --wait\nagain = {use}")
        notebook.run("")
        assert notebook["again"] == expected


def test_a_class_and_its_object_come_back_together(notebook):
    for size in (3, 4):
        source = f"class Net:\n    def go(self):\n        return {size}\nmodel = Net()"
        notebook.run(f"%%sovsubmit --out Net,model --wait\n{source}")
        notebook.run("got = model.go(), Net().go(), isinstance(model, Net)")
        assert notebook["got"] == (size, size, True)


def test_one_that_was_here_before_and_is_the_same_comes_back(notebook):
    notebook.run("def f(x):\n    return x + 2")
    notebook.run("%%sovsubmit --out f --wait\nprint(f(1))")
    notebook.run("got = f(1)")
    assert notebook["got"] == 3


def test_a_failure_on_the_last_line_keeps_what_was_bound(notebook):
    error = notebook.fails(
        "%%sovsubmit --name fit --out model,history,never --wait\nmodel = {'w': 1}\nhistory = [3, 2]\n"
        "history.append(1)\n1 / 0\nnever = 1"
    )
    assert isinstance(error, ZeroDivisionError)
    with pytest.raises(PendingResultError, match=r"partial\(\)\['model'\]"):
        notebook["model"]["w"]
    with pytest.raises(PendingResultError, match="ZeroDivisionError"):
        notebook["never"].x
    notebook.run(
        "kept = sovlab.job('fit').partial()"
        if "sovlab" in notebook.shell.user_ns
        else "import sovlab\nkept = sovlab.job('fit').partial()"
    )
    assert notebook["kept"] == {"model": {"w": 1}, "history": [3, 2, 1]}
    assert "as of when it failed" in notebook.shown[0]["text/plain"]


def test_a_failed_job_does_not_give_its_partial_values_as_results(notebook):
    notebook.run("%%sovsubmit --name fit --out model\nmodel = 1\nraise ValueError('on purpose')")
    notebook.run("import sovlab\njob = sovlab.job('fit')")
    with pytest.raises(ValueError, match="on purpose"):
        notebook.run("job.result('model')")
    assert notebook.run("job.partial()") == {"model": 1}


def test_a_model_trained_in_place_is_kept_as_it_was(notebook):
    notebook.run("model = {'steps': 0}")
    notebook.run("%%sovsubmit --name fit --out model\nmodel['steps'] = 7\nraise ValueError('on purpose')")
    notebook.run("import sovlab\njob = sovlab.job('fit')\njob.wait()")
    assert notebook.run("job.partial()") == {"model": {"steps": 7}}
