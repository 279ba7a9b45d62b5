# ruff: noqa: E501, RUF005 - cells, as they are
"""Registries that decorators and metaclasses fill, and what is put on definitions after they are made."""

import pytest

from sovlab.payload.results import Results

OP = "def op(f):\n    OPS[f.__name__] = f\n    return f"
PLUS = "@op\ndef plus(a, b):\n    return a + b"
MINUS = "@op\ndef minus(a, b):\n    return a - b"
USE = "OPS['plus'](5, 3), OPS['minus'](5, 3), list(OPS)"
WRAPPING = (
    "import functools\ndef op(f):\n    @functools.wraps(f)\n    def wrapper(*args):\n"
    "        return 10 * f(*args)\n    OPS[f.__name__] = wrapper\n    return wrapper"
)
SHAPE = "import functools\n@functools.singledispatch\ndef area(x):\n    return 'other'"

FORMS = {
    "a dictionary": (["OPS = {}", OP, PLUS, MINUS], USE),
    "a dictionary, in one cell": (["\n".join(["OPS = {}", OP, PLUS, MINUS])], USE),
    "wrappers": (["OPS = {}", WRAPPING, PLUS, MINUS], USE),
    "by name": (
        [
            "OPS = {}",
            "def op(name):\n    def add(f):\n        OPS[name] = f\n        return f\n    return add",
        ]
        + ["@op('p')\ndef plus(a, b):\n    return a + b"],
        "OPS['p'](5, 3), list(OPS)",
    ),
    "a list": (
        ["STEPS = []", "def step(f):\n    STEPS.append(f)\n    return f"]
        + ["@step\ndef one(x):\n    return x + 1", "@step\ndef two(x):\n    return x * 2"],
        "[s(5) for s in STEPS]",
    ),
    "names only": (
        ["NAMES = []", "def note(f):\n    NAMES.append(f.__name__)\n    return f"]
        + ["@note\ndef one(x):\n    return x + 1"],
        "one(1), NAMES",
    ),
    "a count": (
        ["COUNT = 0", "def count(f):\n    global COUNT\n    COUNT += 1\n    return f"]
        + ["@count\ndef one(x):\n    return x + 1", "@count\ndef two(x):\n    return x + COUNT"],
        "one(1), two(1), COUNT",
    ),
    "a set": (
        ["SEEN = set()", "def see(f):\n    SEEN.add(f)\n    return f", "@see\ndef one(x):\n    return x + 1"],
        "[f(1) for f in SEEN], one in SEEN",
    ),
    "a dictionary with closures beside": (
        ["OPS, K = {}, 7", OP, "def make():\n    return lambda x: x + K", PLUS, "OPS['more'] = make()"],
        "OPS['plus'](5, 3), OPS['more'](1), list(OPS)",
    ),
    "a dictionary of lists": (
        ["import collections\nHOOKS = collections.defaultdict(list)"]
        + [
            "def on(event):\n    def add(f):\n        HOOKS[event].append(f)\n        return f\n    return add"
        ]
        + [
            "@on('start')\ndef hello():\n    return 'hello'",
            "@on('start')\ndef again():\n    return 'again'",
        ],
        "[h() for h in HOOKS['start']], list(HOOKS)",
    ),
    "an object": (
        [
            "class Registry:\n    def __init__(self):\n        self.table = {}\n"
            "    def register(self, f):\n        self.table[f.__name__] = f\n        return f"
        ]
        + ["reg = Registry()", "@reg.register\ndef plus(a, b):\n    return a + b"],
        "reg.table['plus'](5, 3), list(reg.table), reg.table['plus'] is plus",
    ),
    "an object that is called": (
        ["class Registry(dict):\n    def __call__(self, f):\n        self[f.__name__] = f\n        return f"]
        + ["OPS = Registry()", "@OPS\ndef plus(a, b):\n    return a + b"],
        "OPS['plus'](5, 3), type(OPS).__name__, len(OPS)",
    ),
    "an attribute of the decorator": (
        ["def op(f):\n    op.table[f.__name__] = f\n    return f\nop.table = {}", PLUS, MINUS],
        "op.table['plus'](5, 3), list(op.table)",
    ),
    "an attribute of a class": (
        [
            "class Op:\n    table = {}\n    @classmethod\n    def register(cls, f):\n"
            "        cls.table[f.__name__] = f\n        return f"
        ]
        + ["@Op.register\ndef plus(a, b):\n    return a + b"],
        "Op.table['plus'](5, 3), list(Op.table)",
    ),
    "a closure": (
        [
            "def registry():\n    table = {}\n    def register(f):\n        table[f.__name__] = f\n        return f\n"
            "    register.table = table\n    return register"
        ]
        + ["register = registry()", "@register\ndef plus(a, b):\n    return a + b"],
        "register.table['plus'](5, 3), list(register.table)",
    ),
    "classes": (
        ["MODELS = {}", "def model(cls):\n    MODELS[cls.__name__] = cls\n    return cls"]
        + ["@model\nclass Small:\n    size = 1", "@model\nclass Large(Small):\n    size = 9"],
        "[(n, m().size) for n, m in MODELS.items()], MODELS['Small'] is Small",
    ),
    "a metaclass": (
        [
            "REG = {}",
            "class Meta(type):\n    def __new__(mcs, name, bases, body):\n"
            "        cls = super().__new__(mcs, name, bases, body)\n        REG[name] = cls\n        return cls",
        ]
        + ["class A(metaclass=Meta):\n    x = 1", "class B(A):\n    x = 2"],
        "{n: c.x for n, c in REG.items()}, REG['A'] is A",
    ),
    "a metaclass's own attribute": (
        [
            "class Meta(type):\n    reg = []\n    def __init__(cls, name, bases, body):\n"
            "        super().__init__(name, bases, body)\n        Meta.reg.append(cls)"
        ]
        + ["class A(metaclass=Meta):\n    x = 1", "class B(A):\n    x = 2"],
        "[c.x for c in Meta.reg]",
    ),
    "__init_subclass__": (
        ["REG = []", "class Base:\n    def __init_subclass__(cls, **kw):\n        REG.append(cls)"]
        + ["class A(Base):\n    x = 1", "class B(Base):\n    x = 2"],
        "[c.x for c in REG]",
    ),
    "something taken out again": (
        ["OPS = {}", OP, PLUS, MINUS, "del OPS['minus']\nOPS['other'] = minus"],
        "list(OPS), OPS['other'](5, 3), minus(1, 1)",
    ),
    "two that need each other": (
        ["A, B = {}, {}", "def both(f):\n    A[f.__name__] = f\n    B[f.__name__] = len(A)\n    return f"]
        + ["@both\ndef one():\n    return list(A), B", "@both\ndef two():\n    return one()"],
        "A['two'](), B",
    ),
    "read through a function": (
        ["OPS = {}", OP, PLUS, "def run(name, *a):\n    return OPS[name](*a)"],
        "run('plus', 1, 2)",
    ),
    "an enum that a decorator fills": (
        ["import enum\nclass Kind(enum.Enum):\n    A = 1", "BY = {}"]
        + ["def by(kind):\n    def add(f):\n        BY[kind] = f\n        return f\n    return add"]
        + ["@by(Kind.A)\ndef a():\n    return 'a'"],
        "BY[Kind.A](), list(BY) == [Kind.A]",
    ),
    # What is put on a definition after it.
    "singledispatch, next line": (
        [SHAPE + "\n@area.register\ndef _(x: int):\n    return 'int'"],
        "area(1), area('x')",
    ),
    "singledispatch, other cells": (
        [SHAPE, "@area.register\ndef area_int(x: int):\n    return 'int'"]
        + ["@area.register(list)\ndef area_list(x):\n    return 'list'"],
        "area(1), area([]), area('x'), area_int(3)",
    ),
    "singledispatch, by call": (
        [SHAPE, "def text(x):\n    return 'text'\narea.register(str, text)"],
        "area('x'), area(1)",
    ),
    "singledispatch, of a class": (
        [SHAPE, "class Square:\n    pass\n@area.register\ndef _(x: Square):\n    return 'square'"],
        "area(Square()), area(1)",
    ),
    "singledispatch, of an abstract class": (
        [
            SHAPE,
            "import collections.abc\n@area.register\ndef _(x: collections.abc.Sequence):\n    return 'seq'",
        ],
        "area([]), area(1)",
    ),
    "singledispatchmethod": (
        [
            "import functools\nclass Show:\n    @functools.singledispatchmethod\n    def go(self, x):\n"
            "        return 'other'"
        ]
        + ["@Show.go.register\ndef _(self, x: int):\n    return 'int'"],
        "Show().go(1), Show().go('x')",
    ),
    "attributes of a decorated function": (
        [
            "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def w(*a):\n        return f(*a)\n    return w"
        ]
        + ["@deco\ndef f(x):\n    return x", "f.units = 'W'\nf.limits = [1, 2]"],
        "f(1), f.units, f.limits",
    ),
    "attributes of a function that its decorator gives back": (
        ["def same(f):\n    return f", "@same\ndef f(x):\n    return x", "f.units = 'W'"],
        "f(1), f.units",
    ),
    "an attribute that its own function reads": (
        [
            "def same(f):\n    return f",
            "@same\ndef f():\n    f.calls += 1\n    return f.calls",
            "f.calls = 5\nf()",
        ],
        "f.calls",
    ),
    "what a wrapper has counted": (
        [
            "def counted(f):\n    n = 0\n    def w():\n        nonlocal n\n        n += 1\n        return f(), n\n"
            "    w.__name__ = w.__qualname__ = f.__name__\n    return w"
        ]
        + ["@counted\ndef f():\n    return 'f'", "f(); f()"],
        "(lambda before: before)(f.__closure__[1].cell_contents)",
    ),
    "what a wrapper has kept": (
        [
            "import functools\ndef memo(f):\n    seen = {}\n    @functools.wraps(f)\n    def w(x):\n"
            "        return seen.setdefault(x, f(x))\n    w.seen = seen\n    return w"
        ]
        + ["@memo\ndef f(x):\n    return x * 2", "f(1); f.seen[7] = 'put here'"],
        "f(7), f.seen, f(1)",
    ),
    "an object that a decorator made": (
        [
            "class Pipeline:\n    def __init__(self, f):\n        self.f = f\n        self.steps = []\n"
            "    def step(self, g):\n        self.steps.append(g)\n        return g\n"
            "    def __call__(self, x):\n        x = self.f(x)\n        for s in self.steps:\n            x = s(x)\n"
            "        return x"
        ]
        + ["@Pipeline\ndef run(x):\n    return x", "@run.step\ndef double(x):\n    return 2 * x"]
        + ["run.steps.append(lambda x: x + 1)\nrun.name = 'mine'"],
        "run(5), len(run.steps), run.name",
    ),
    "a command with others added to it": (
        [
            "class Group:\n    def __init__(self, func):\n        self.func, self.commands = func, {}\n"
            "    def command(self, name):\n        def add(g):\n            self.commands[name] = g\n            return g\n"
            "        return add"
        ]
        + ["@Group\ndef cli():\n    return 'cli'", "@cli.command('go')\ndef go():\n    return 'went'"],
        "cli.func(), {n: c() for n, c in cli.commands.items()}",
    ),
    "attributes of a decorated class": (
        ["import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int = 1", "C.unit = 'W'"],
        "C(), C.unit",
    ),
    # Names that Python or IPython also has.
    "open": (["from gzip import open"], "open.__module__"),
    "a dunder name": (["__version__ = '1.2'\n__author__ = 'me'"], "__version__, __author__"),
    "exit of one's own": (["def exit():\n    return 'mine'"], "exit()"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_job_has_what_the_notebook_has(notebook, form):
    cells, use = FORMS[form]
    for cell in cells:
        notebook.run(cell)
    out, _ = notebook.submit(f"print(({use}))")
    assert out == f"{notebook.run(use)}\n"


RETURNED = ["a dictionary", "wrappers", "an object", "classes", "singledispatch, other cells"]


@pytest.mark.parametrize("form", RETURNED)
@pytest.mark.parametrize("before", [True, False], ids=["here before", "only in the job"])
def test_a_registry_comes_back_and_changes_none_of_the_notebook(notebook, form, before):
    cells, use = FORMS[form]
    name = {"an object": "reg", "classes": "MODELS", RETURNED[-1]: "area"}.get(form, "OPS")
    everything = "\n".join(cells)
    if before:
        notebook.run(everything)
        size = notebook.run(f"len(getattr({name}, 'table', getattr({name}, 'registry', {name})))")
    _, path = notebook.submit(f"{everything}\nprint(({use}))\nback = {name}", ["back"])
    notebook.ns["back"] = Results(path, main=notebook.ns).value("back")
    if before:
        assert notebook.run(f"len(getattr({name}, 'table', getattr({name}, 'registry', {name})))") == size
    if form in ("a dictionary", "wrappers"):
        assert notebook.run("back['plus'](5, 3)") == (8 if form == "a dictionary" else 80)
    elif form == "an object":
        assert notebook.run("back.table['plus'](5, 3)") == 8
    elif form == RETURNED[-1]:
        assert notebook.run("back(1), back([]), back('x')") == ("int", "list", "other")
    else:
        assert [c.__name__ for c in notebook.ns["back"].values()] == list(notebook.ns["back"])
