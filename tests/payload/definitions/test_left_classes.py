"""A job that sets attributes of the notebook's classes: what comes back has them, and is of these classes."""

import pytest

from sovlab.payload.results import Results

NET = (
    "class Net:\n    width = 4\n    made = []\n    def go(self):\n        Net.made.append(1)\n"
    "        return self.width"
)
SUB = "class Sub(Net):\n    pass"


def returned(notebook, cell, names=("back",)):
    _, results = notebook.submit(cell, names)
    found = Results(results, main=notebook.ns)
    return [found.value(name) for name in names]


@pytest.mark.parametrize("made", ["Net()", "Sub()"])
def test_an_attribute_of_a_class_that_the_job_has_set(notebook, made):
    notebook.run(f"{NET}\n{SUB}")
    (back,) = returned(notebook, f"Net.width = 9\nNet.late = [1]\nback = {made}")
    assert (back.go(), back.late) == (9, [1])
    assert isinstance(back, notebook.ns["Net"])
    assert isinstance(back, notebook.ns["Sub"]) == made.startswith("Sub")
    assert type(back).__name__ == made[:3]
    assert notebook.ns["Net"]().width == 4, "the notebook's own is as it was"
    assert not hasattr(notebook.ns["Net"], "late")


def test_an_attribute_that_the_notebook_has_set_meanwhile(notebook):
    notebook.run(NET)
    packed = notebook.pack("back = Net()", outputs=("back",))
    notebook.run("Net.width = 7")
    _, results = notebook.job(packed, ("back",))
    back = Results(results, main=notebook.ns).value("back")
    assert back.go() == 4
    assert isinstance(back, notebook.ns["Net"])


def test_a_class_with_the_same_attributes_is_the_notebook_s(notebook):
    notebook.run(f"{NET}\nNet.width = 6\nNet.shared = Net()\n{SUB}")
    back, other = returned(notebook, "back = Net()\nother = Sub()", ("back", "other"))
    assert type(back) is notebook.ns["Net"]
    assert type(other) is notebook.ns["Sub"]


def test_what_a_class_has_collected_in_the_job(notebook):
    notebook.run(f"{NET}\nNet().go()")
    back, same = returned(notebook, "back = Net()\nback.go()\nsame = Net.made", ("back", "same"))
    assert back.made == [1, 1]
    assert back.made is same
    assert notebook.ns["Net"].made == [1]


def test_what_came_back_goes_to_another_job_with_them(notebook):
    notebook.run(f"{NET}\n{SUB}")
    (notebook.ns["back"],) = returned(notebook, "Net.width = 9\nback = Sub()")
    out, _ = notebook.submit("print(back.go(), isinstance(back, Net), isinstance(back, Sub), Net.width)")
    assert out == "9 True True 4\n"


METHODS = (
    "import functools\n"
    "def counting(f):\n"
    "    count = 0\n"
    "    @functools.wraps(f)\n"
    "    def wrapper(*args):\n"
    "        nonlocal count\n"
    "        count += 1\n"
    "        wrapper.last = count\n"
    "        return f(*args), count\n"
    "    return wrapper\n"
    "class Net:\n"
    "    @counting\n    def go(self):\n        return 'went'\n"
    "    @staticmethod\n    @counting\n    def still():\n        return 'still'\n"
    "    def plain(self):\n        return 'plain'\n"
    "    class Inner:\n        @counting\n        def go(self):\n            return 'inner'"
)


def test_what_is_set_on_methods_is_there_in_the_job(notebook):
    setup = f"{METHODS}\nNet().go()\nNet.still()\nNet.Inner().go()\nNet.plain.seen = [1]"
    cell = "print(Net().go(), Net.go.last, Net.still(), Net.Inner().go(), Net.plain.seen)"
    notebook.run(setup)
    out, _ = notebook.submit(cell)
    assert out == "('went', 2) 2 ('still', 2) ('inner', 2) [1]\n"


def test_what_the_job_sets_on_methods_comes_back(notebook):
    notebook.run(f"{METHODS}\nNet().go()")
    (back,) = returned(notebook, "back = Net()\nback.go()\nNet.still()\nNet.plain.seen = 5")
    assert (back.go(), back.still(), back.plain.seen) == (("went", 3), ("still", 2), 5)
    assert isinstance(back, notebook.ns["Net"])
    assert notebook.ns["Net"]().go() == ("went", 2), "the notebook's own is as it was"
    assert not hasattr(notebook.ns["Net"].plain, "seen")


def test_a_class_whose_methods_were_left_as_they_were_is_the_notebook_s(notebook):
    notebook.run(f"{METHODS}\nNet().go()\nNet.plain.seen = [1]")
    (back,) = returned(notebook, "back = Net()")
    assert type(back) is notebook.ns["Net"]


@pytest.mark.parametrize("inner", ["", "Outer."])
def test_a_class_that_an_abstract_one_counts_as_its_subclass_still_is_in_the_job(notebook, inner):
    notebook.run(
        "import abc\nclass Shape(abc.ABC):\n    pass\nclass Outer:\n    class Shape(abc.ABC):\n        pass\n"
        f"class Square:\n    pass\n{inner}Shape.register(Square)\n{inner}Shape.register(int)"
    )
    out, _ = notebook.submit(f"print(isinstance(Square(), {inner}Shape), isinstance(3, {inner}Shape))")
    assert out == "True True\n"
