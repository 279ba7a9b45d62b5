"""A job that changes the notebook's functions: what comes back is as it was left, with the same code."""

import pytest

from sovlab.payload.results import Results

COUNTED = "def f(x=1):\n    f.calls += 1\n    return x\nf.calls = 0\nf.seen = []"
COUNTING = (
    "import functools\n"
    "def counting(f):\n"
    "    count, seen = 0, {}\n"
    "    @functools.wraps(f)\n"
    "    def wrapper(x):\n"
    "        nonlocal count\n"
    "        count += 1\n"
    "        seen[x] = count\n"
    "        wrapper.last = x\n"
    "        return f(x), count, dict(seen)\n"
    "    wrapper.seen = seen\n"
    "    return wrapper\n"
    "@counting\n"
    "def f(x):\n"
    "    return x"
)
OBJECT = (
    "class Counting:\n"
    "    def __init__(self, f):\n        self.f, self.count = f, 0\n"
    "    def __call__(self, x):\n        self.count += 1\n        return self.f(x), self.count\n"
    "@Counting\n"
    "def f(x):\n    return x"
)
SINGLE = (
    "import functools\n"
    "@functools.singledispatch\n"
    "def f(x):\n    return 'any'\n"
    "@f.register\n"
    "def of_int(x: int):\n    return 'int'"
)


def returned(notebook, cell, names=("back",)):
    _, results = notebook.submit(cell, names)
    found = Results(results, main=notebook.ns)
    return [found.value(name) for name in names]


FORMS = {
    "an attribute": (COUNTED, "f(); f.seen.append(4); f.late = 'x'", "(b.calls, b.seen, b.late)"),
    "an attribute that is gone": (COUNTED, "del f.seen", "sorted(vars(b))"),
    "all attributes gone": (COUNTED, "del f.seen, f.calls", "sorted(vars(b))"),
    "the first attribute": ("def f():\n    pass", "f.late = [1]", "b.late"),
    "a default": ("def f(x=1, *, y=2):\n    return x, y", "f.__defaults__ = (7,)", "b()"),
    "a named default": ("def f(x=1, *, y=2):\n    return x, y", "f.__kwdefaults__ = {'y': 9}", "b()"),
    "a default as it was": (
        "def f(x=1, *, y=2):\n    return x, y\nf.__defaults__ = (7,)",
        "f.__defaults__ = (1,)",
        "b()",
    ),
    "a default that grows": ("def f(x, seen=[]):\n    seen.append(x)\n    return seen", "f(1)", "b(2)"),
    "what a decorator counts": (COUNTING, "f(3)", "(b(4), b.last, b.seen)"),
    "an attribute beside a decorator": (COUNTING, "f.late = 5", "(b.late, b(1))"),
    "an object that a decorator made": (OBJECT, "f(3); f.late = 5", "(b(4), b.late)"),
    "an implementation": (SINGLE, "f.register(str, lambda x: 'str')", "(b(1), b('s'), b(None))"),
    "one more at each call": (
        "def f():\n    f.calls = getattr(f, 'calls', 0) + 1\n    return f.calls",
        "f(); f()",
        "b.calls",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", ["f", "[f]", "{'hook': f}"])
def test_a_function_that_the_job_has_changed(notebook, form, value):
    setup, change, look = FORMS[form]
    take = {"f": "back", "[f]": "back[0]", "{'hook': f}": "back['hook']"}[value]
    plain = {"__name__": "__main__"}
    for source in (setup, f"{change}\nback = {value}\nb = {take}"):
        exec(compile(source, "plain", "exec"), plain)
    notebook.run(setup)
    own = notebook.ns["f"]
    untouched = {"b": own, "__builtins__": __builtins__}
    before = repr(eval(look, {**notebook.ns, **untouched})) if form == "a default" else None
    (notebook.ns["back"],) = returned(notebook, f"{change}\nback = {value}")
    notebook.run(f"b = {take}")
    if before is not None:
        assert repr(eval(look, {**notebook.ns, **untouched})) == before, "the notebook's own is as it was"
    assert eval(look, notebook.ns) == eval(look, plain)
    assert notebook.ns["f"] is own


def test_the_notebook_s_own_keeps_its_state(notebook):
    notebook.run(COUNTED)
    notebook.run("f(); f.seen.append(1)")
    (back,) = returned(notebook, "f(); f.seen.append(2)\nback = f")
    assert (back.calls, back.seen) == (2, [1, 2])
    assert (notebook.ns["f"].calls, notebook.ns["f"].seen) == (1, [1])


def test_what_a_decorator_counts_here_stays(notebook):
    notebook.run(COUNTING)
    notebook.run("f(1)")
    (back,) = returned(notebook, "f(2)\nback = f")
    assert back(3) == (3, 3, {1: 1, 2: 2, 3: 3})
    assert notebook.ns["f"](9) == (9, 2, {1: 1, 9: 2})


@pytest.mark.parametrize("source", [COUNTED, COUNTING, SINGLE, "def f(x=len('abc')):\n    return x"])
def test_one_that_the_job_left_as_it_was_is_the_notebook_s(notebook, source):
    notebook.run(source)
    (back,) = returned(notebook, "back = [f]")
    assert back[0] is notebook.ns["f"]


def test_what_a_function_shares_with_another_value_stays_shared(notebook):
    notebook.run(COUNTED)
    back, seen = returned(notebook, "seen = f.seen\nseen.append(1)\nback = f", ("back", "seen"))
    assert back.seen is seen
    assert seen == [1]


def test_what_a_decorator_s_attribute_and_closure_share_stays_shared(notebook):
    notebook.run(COUNTING)
    (back,) = returned(notebook, "f(1)\nback = f")
    back(2)
    assert back.seen == {1: 1, 2: 2}


def test_classes_that_call_it_stay_the_notebook_s(notebook):
    notebook.run(f"{COUNTED}\nclass Net:\n    def forward(self):\n        return f()")
    (back,) = returned(notebook, "back = Net()\nback.forward()")
    assert type(back) is notebook.ns["Net"]


def test_it_goes_to_another_job_with_what_it_has(notebook):
    notebook.run(COUNTED)
    (notebook.ns["back"],) = returned(notebook, "f()\nf.late = 5\nback = f")
    out, _ = notebook.submit("back()\nprint(back.calls, back.late, f.calls)")
    assert out == "1 5 1\n"


def test_in_a_job_a_decorator_s_attribute_and_closure_are_one(notebook):
    notebook.run(f"{COUNTING}\nSEEN = f.seen\nf(1)")
    out, _ = notebook.submit("f(2)\nprint(f.seen, SEEN, f.seen is SEEN)")
    assert out == "{1: 1, 2: 2} {1: 1, 2: 2} True\n"
