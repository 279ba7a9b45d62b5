"""A cell with what it needs, packed in a real notebook and run in a fresh interpreter."""

import pytest

from sovlab.errors import CaptureError
from sovlab.payload.results import Results


def test_variables_the_cell_reads_travel_and_others_do_not(notebook):
    notebook.run("a = [1, 2]\nb = {'x': a}\nunread = object()")
    packed = notebook.pack("print(b['x'] is a, 'unread' in list(globals()))")
    assert set(packed.variables) == {"a", "b"}
    assert notebook.job(packed)[0] == "True False\n"


def test_functions_travel_with_the_functions_and_variables_they_read(notebook):
    notebook.run("import math\nRATE = 3")
    notebook.run("def inner(x):\n    return math.floor(x) * RATE")
    notebook.run("def outer(x):\n    return inner(x) + 1")
    assert notebook.submit("print(outer(2.5))")[0] == "7\n"


def test_traceback_shows_the_line_of_the_cell_that_defined_the_function(notebook):
    notebook.run("a = 1\n\ndef broken(x):\n    # a comment\n    return 1 / x")
    out, _ = notebook.submit(
        "import traceback\ntry:\n    broken(0)\nexcept ZeroDivisionError:\n    print(traceback.format_exc())"
    )
    assert 'File "Cell In[1]", line 5, in broken\n    return 1 / x' in out


def test_class_defined_in_the_notebook_comes_back_as_that_class(notebook):
    notebook.run(
        """
        import torch
        WIDTH = 4
        class Base(torch.nn.Module):
            width = WIDTH
        class Net(Base):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(self.width, 2)
            def forward(self, x):
                return self.layer(x)
        net = Net()
        """
    )
    out, results = notebook.submit(
        "trained = net\nfresh = [Net()]\nprint(net(torch.ones(4)).shape)", ["trained", "fresh"]
    )
    assert "Size([2])" in out
    back = Results(results, main=notebook.ns)
    assert type(back.value("trained")) is notebook.ns["Net"]
    assert isinstance(back.value("fresh")[0], notebook.ns["Base"])


def test_class_that_only_the_cell_defines_comes_back_with_its_source(notebook):
    _, results = notebook.submit(
        """
        import dataclasses
        SCALE = 2
        @dataclasses.dataclass
        class Point:
            x: float
            def twice(self):
                return helper(self.x)
        def helper(x):
            return x * 2
        point = Point(3.0)
        """,
        ["point"],
    )
    assert "Point" not in notebook.ns
    point = Results(results, main=notebook.ns).value("point")
    assert point.twice() == 6.0
    assert type(point) is notebook.ns["Point"]


DEFINITIONS = """
import abc, dataclasses, enum, functools, typing
from collections import namedtuple

class Colour(enum.Enum):
    RED = 1
    GREEN = enum.auto()

@dataclasses.dataclass(order=True)
class Config:
    lr: float = 0.1
    layers: list = dataclasses.field(default_factory=lambda: [1, 2])
    colour: Colour = Colour.RED

class Pair(typing.NamedTuple):
    left: int
    right: "Config"
    def total(self):
        return self.left + len(self.right.layers)

T = typing.TypeVar("T")

class Box(typing.Generic[T]):
    class Lid:
        def __init__(self, box):
            self.box = box
    def __init__(self, item: T):
        self.item, self.lid = item, Box.Lid(self)
    def __secret(self):
        return self.item
    def open(self):
        return self.__secret()
    @property
    def doubled(self):
        return twice(self.item)
    @staticmethod
    def plain(x):
        return x + OFFSET
    @classmethod
    def of(cls, item):
        return cls(item)

class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

class Square(Shape):
    def __init__(self, side):
        super().__init__()
        self.side = side
    def area(self):
        return self.side ** 2

@typing.runtime_checkable
class HasArea(typing.Protocol):
    def area(self): ...

def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ("logged", function(*args))
    return wrapper

def bare(function):
    def wrapper(*args):
        return ("bare", function(*args))
    return wrapper

OFFSET = 10

@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

@logged
def twice(x):
    return 2 * x

@bare
def thrice(x):
    return 3 * x

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

double = lambda x: x * 2
add_three = functools.partial(lambda a, b: a + b, 3)
power = functools.partial(pow, 2)
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Colour.GREEN.value, Colour(1) is Colour.RED", "(2, True)"),
        (
            "Config(lr=0.5).layers, Config() < Config(lr=1), Config().colour is Colour.RED",
            "([1, 2], True, True)",
        ),
        ("Pair(1, Config()).total()", "3"),
        ("Box.of(5).open(), Box(4).doubled, Box.plain(1), Box(3).lid.box.item", "(5, ('logged', 8), 11, 3)"),
        ("Square(3).area(), isinstance(Square(1), Shape), isinstance(Square(1), HasArea)", "(9, True, True)"),
        ("fib(30)", "832040"),
        ("thrice(2)", "('bare', 6)"),
        ("even(10), odd(10)", "(True, False)"),
        ("double(4), add_three(4), power(5)", "(8, 7, 32)"),
    ],
)
def test_definitions_work_in_the_job_as_in_the_notebook(notebook, expression, expected):
    notebook.run(DEFINITIONS)
    assert repr(eval(expression, notebook.ns)) == expected
    assert notebook.submit(f"print(({expression}))")[0].strip() == expected


def test_instances_of_notebook_classes_travel_and_return_to_their_own_classes(notebook):
    notebook.run(DEFINITIONS)
    notebook.run(
        "things = [Colour.RED, Config(), Pair(1, Config()), Box(7), Box.Lid, Square(2), fib, even, Box.plain]"
    )
    packed = notebook.pack("back = things\nassert things[3].open() == 7 and things[6](10) == 55")
    assert not packed.bytecode
    _, results = notebook.job(packed, ["back"])
    back = Results(results, main=notebook.ns).value("back")
    assert [type(b) for b in back] == [type(t) for t in notebook.ns["things"]]
    assert back[0] is notebook.ns["Colour"].RED
    assert back[4] is notebook.ns["Box"].Lid
    assert back[6] is notebook.ns["fib"]


def test_a_rerun_class_still_takes_instances_made_before(notebook):
    cell = "class Thing:\n    def __init__(self):\n        self.value = 5"
    notebook.run(cell)
    notebook.run("thing = Thing()")
    notebook.run(cell)
    packed = notebook.pack("print(isinstance(thing, Thing), thing.value)")
    assert notebook.job(packed)[0] == "True 5\n"


def test_an_edited_function_is_the_one_that_travels(notebook):
    notebook.run("def f():\n    return 'old'")
    notebook.run("def f():\n    return 'new'")
    assert notebook.submit("print(f())")[0] == "new\n"


def test_a_monkeypatched_method_travels_as_it_is(notebook):
    notebook.run("class A:\n    def m(self):\n        return 'source'")
    notebook.run("def patched(self):\n    return 'patched'\nA.m = patched")
    packed = notebook.pack("print(A().m())")
    assert packed.bytecode
    assert notebook.job(packed)[0] == "patched\n"


def test_a_changed_default_or_attribute_travels_as_it_is(notebook):
    notebook.run("rates = [0.1]\ndef f(r=rates, *, k=len('abc')):\n    return r, k")
    notebook.run("class C:\n    lr = 1\n    table = {}")
    notebook.run("rates.append(0.2)\ndel rates\nf.calls = 4\nC.lr = 2\nC.table['x'] = 1\nC.added = 'yes'")
    out, _ = notebook.submit("print(f(), f.calls, C.lr, C.table, C.added)")
    assert out == "([0.1, 0.2], 3) 4 2 {'x': 1} yes\n"


def test_closures_and_functions_without_source_travel_as_bytecode(notebook, meta):
    notebook.run("def make(n):\n    def add(x):\n        return x + n + BASE\n    return add")
    notebook.run("BASE = 100\nadd5 = make(5)")
    notebook.run("exec('def ghost(): return 42')\ntable = {'f': lambda x: x * BASE}")
    packed = notebook.pack("print(add5(1), ghost(), table['f'](2))")
    assert set(meta(packed)["bytecode"]) == {"make.<locals>.add", "ghost", "<lambda>"}
    assert notebook.job(packed)[0] == "106 42 200\n"


def test_a_function_wrapped_by_a_later_statement_keeps_its_wrapper(notebook):
    notebook.run("def wrap(g):\n    def inner(x):\n        return ('wrapped', g(x))\n    return inner")
    notebook.run("def f(x):\n    return x")
    notebook.run("f = wrap(f)")
    assert notebook.submit("print(f(1))")[0] == "('wrapped', 1)\n"


def test_class_found_only_inside_a_variable_is_defined_before_it_is_needed(notebook):
    notebook.run(
        """
        SIZES = [1, 2]
        class Layer:
            sizes = tuple(SIZES)
        class Model:
            def __init__(self):
                self.layers = [Layer()]
        a_model = {"m": Model()}
        """
    )
    out, _ = notebook.submit("print(a_model['m'].layers[0].sizes)")
    assert out == "(1, 2)\n"


def test_submodules_reached_through_a_package_are_imported(notebook):
    notebook.run("import xml.etree.ElementTree\nimport os.path as p")
    assert (
        notebook.submit("print(xml.etree.ElementTree.fromstring('<a/>').tag, p.join('a', 'b'))")[0]
        == "a a/b\n"
    )


def test_future_annotations_of_the_notebook_hold_in_the_job(notebook):
    notebook.run("from __future__ import annotations")
    notebook.run("def f(x: Undefined) -> AlsoUndefined:\n    return x")
    assert notebook.submit("print(f(1))")[0] == "1\n"


def test_definitions_inside_blocks_and_behind_semicolons_are_found(notebook):
    notebook.run("if True:\n    def f():\n        '''doc\n  odd indentation\n        '''\n        return 1")
    notebook.run("x = 1; g = lambda: x + 1")
    packed = notebook.pack("print(f(), g())")
    assert not packed.bytecode
    assert notebook.job(packed)[0] == "1 2\n"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("x = '$HOME `id` \\'\" \\\\ '\nprint(x)", "$HOME `id` '\" \\ "),
        ("print('😀 ü \\x00'.encode())", str("😀 ü \x00".encode())),
        ("print(1)\r\nprint(2)\r\n", "1\n2"),
    ],
)
def test_source_arrives_byte_for_byte(notebook, cell, shown):
    from sovlab.runner.values.pack import Pack

    packed = notebook.pack(cell)
    assert bytes(Pack(packed.path).segment("source")) == cell.encode()
    assert notebook.job(packed)[0].strip("\n") == shown.strip("\n")


def test_methods_of_a_decorated_class_and_torch_decorators(notebook):
    notebook.run(
        """
        import torch
        class M(torch.nn.Module):
            @torch.no_grad()
            def forward(self, x):
                return x * 2
        m = M()
        """
    )
    packed = notebook.pack("print(m(torch.ones(1, requires_grad=True)).requires_grad)")
    assert not packed.bytecode
    assert notebook.job(packed)[0] == "False\n"


def test_undefined_name_of_in_is_refused_with_the_nearest(notebook):
    notebook.run("dataset = [1]")
    with pytest.raises(CaptureError, match=r"datset.*Did you mean dataset"):
        notebook.pack("print(dataset)", send=("datset",))
    assert not notebook.store.exists()


def test_in_restricts_what_the_cell_reads_and_not_what_definitions_need(notebook):
    notebook.run("a, b, needed = 1, 2, 3\ndef f():\n    return needed")
    packed = notebook.pack("print(a, f(), 'b' in globals())\nif False: b", send=("a",))
    assert set(packed.variables) == {"a", "needed"}
    assert any("b is read" in m and "--in" in m for m in packed.messages)
    assert notebook.job(packed)[0] == "1 3 False\n"
