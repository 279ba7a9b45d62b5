"""What comes back runs the code that it was made with."""

import pytest

from sovlab.payload.results import Results

FORMS = {
    "a method": (
        "class Net:\n    def forward(self, x):\n        return x * {0}\nvalue = Net()",
        "value.forward(1)",
    ),
    "a helper": (
        "def helper(x):\n    return x * {0}\n"
        "class Net:\n    def forward(self, x):\n        return helper(x)\nvalue = Net()",
        "value.forward(1)",
    ),
    "a helper of a helper": (
        "def inner(x):\n    return x * {0}\ndef helper(x):\n    return inner(x)\n"
        "class Net:\n    def forward(self, x):\n        return helper(x)\nvalue = Net()",
        "value.forward(1)",
    ),
    "a constant that a method reads": (
        "SCALE = {0}\nclass Net:\n    def forward(self, x):\n        return x * SCALE\nvalue = Net()",
        "value.forward(1)",
    ),
    "an attribute of the class": ("class Net:\n    scale = {0}\nvalue = Net()", "value.scale"),
    "a base class": (
        "class Base:\n    def forward(self, x):\n        return x * {0}\n"
        "class Net(Base):\n    pass\nvalue = Net()",
        "value.forward(1)",
    ),
    "a decorator": (
        "import functools\ndef times(f):\n    @functools.wraps(f)\n    def wrapped(x):\n"
        "        return f(x) * {0}\n    return wrapped\n@times\ndef value(x):\n    return x",
        "value(1)",
    ),
    "a function": ("def value(x):\n    return x * {0}", "value(1)"),
    "a lambda": ("value = lambda x: x * {0}", "value(1)"),
    "a closure": (
        "def make():\n    def f(x):\n        return x * {0}\n    return f\nvalue = make()",
        "value(1)",
    ),
    "a default": ("def value(x, times={0}):\n    return x * times", "value(1)"),
    "a class": ("class value:\n    times = {0}", "value.times"),
    "a field of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass Config:\n    {1}: int = {0}\nvalue = Config()",
        "getattr(value, '{1}') if repr(value) == 'Config({1}={0})' else repr(value)",
    ),
    "a member of an enum": (
        "import enum\nclass Kind(enum.Enum):\n    {1} = {0}\nvalue = Kind.{1}",
        "value.value if value.name == '{1}' else value",
    ),
    "a named tuple": (
        "import typing\nclass Point(typing.NamedTuple):\n    {1}: int\nvalue = Point({0})",
        "value.{1}",
    ),
    "a static method": (
        "class Net:\n    @staticmethod\n    def forward(x):\n        return x * {0}\nvalue = [Net(), Net]",
        "value[0].forward(1) * value[1].forward(1) // {0}",
    ),
    "a property": (
        "class Net:\n    @property\n    def scale(self):\n        return {0}\nvalue = {{'net': Net()}}",
        "value['net'].scale",
    ),
    "an exception": (
        "class Failure(Exception):\n    def __str__(self):\n        return '{0}'\nvalue = Failure()",
        "int(str(value))",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("in_notebook", [False, True], ids=["only in jobs", "in the notebook before"])
def test_two_runs_of_an_edited_cell_keep_each_its_code(notebook, form, in_notebook):
    source, use = FORMS[form]
    if in_notebook:
        notebook.run(source.format(100, "c"))
        here = notebook.ns["value"]
    back = {}
    for number, name in ((2, "a"), (3, "b")):
        out, path = notebook.submit(
            source.format(number, name) + f"\nprint({use.format(number, name)})",
            ["value"],
            label=f"In[{number}]",
        )
        assert out == f"{number}\n", "what the job itself says"
        back[number, name] = Results(path, main=notebook.ns).value("value")
    for (number, name), value in back.items():
        assert eval(use.format(number, name), {"value": value}) == number
    if in_notebook:
        assert notebook.ns["value"] is here
        assert notebook.run(use.format(100, "c")) == 100


@pytest.mark.parametrize("form", FORMS)
def test_what_came_back_does_the_same_in_another_job(notebook, form):
    source, use = FORMS[form]
    for number, name in ((2, "a"), (3, "b")):
        _, path = notebook.submit(source.format(number, name), ["value"], label=f"In[{number}]")
        notebook.ns[f"back_{name}"] = Results(path, main=notebook.ns).value("value")
    for number, name in ((2, "a"), (3, "b")):
        out, _ = notebook.submit(f"value = back_{name}\nprint({use.format(number, name)})")
        assert out == f"{number}\n"


@pytest.mark.parametrize("form", FORMS)
def test_the_same_code_is_the_same_class_and_function(notebook, form):
    """Wherever it was defined: here, or in the cells of two jobs."""
    source, _ = FORMS[form]
    notebook.run(source.format(2, "a"))
    mine = notebook.ns["value"]
    for place in ("# a comment\n\n", ""):
        _, path = notebook.submit(place + source.format(2, "a"), ["value"])
        value = Results(path, main=notebook.ns).value("value")
        if isinstance(mine, type) or (callable(mine) and mine.__name__ == "value"):
            assert value is mine
        elif not callable(mine):
            assert type(value) is type(mine)


def test_a_job_that_ends_after_the_notebook_was_edited_returns_what_it_ran(notebook):
    notebook.run("class Net:\n    def forward(self, x):\n        return x * 2")
    _, path = notebook.submit("net = Net()\nprint(net.forward(1))", ["net"])
    notebook.run("class Net:\n    def forward(self, x):\n        return x * 100")
    assert Results(path, main=notebook.ns).value("net").forward(1) == 2
    assert notebook.run("Net().forward(1)") == 100


def test_the_notebook_calls_the_newest_of_what_only_jobs_have_defined(notebook):
    for number in (2, 3):
        _, path = notebook.submit(f"def scale(x):\n    return x * {number}\nf = [scale]", ["f"])
        Results(path, main=notebook.ns).values()
        assert notebook.run("scale(1)") == number


def test_what_a_returned_function_reads_of_the_notebook_is_read_there(notebook):
    notebook.run("RATE = 2")
    _, path = notebook.submit("def f(x):\n    return x * RATE", ["f"])
    notebook.ns["f"] = Results(path, main=notebook.ns).value("f")
    assert notebook.run("f(1)") == 2
    assert notebook.run("RATE = 5\nf(1)") == 5
    assert notebook.submit("print(f(1))")[0] == "5\n"
