# ruff: noqa: E501 - cells, as they are
"""Defaults and attributes that were worked out with what has another value now, or that is gone."""

import pytest

BEFORE = "import abc, collections, dataclasses, enum, functools, typing\nRATE = 1\nGONE = 5\nflag = True"
AFTER = "RATE = 100\nflag = False\ndel GONE"
DECO = (
    "def deco(f):\n    @functools.wraps(f)\n    def wrapper(*args, **named):\n"
    "        return f(*args, **named)\n    return wrapper"
)
FORMS = {
    "a decorated function": ([DECO, "@deco\ndef f(x=RATE, *, y=RATE + 1):\n    return x, y"], "f()"),
    "what gives back what it got": (
        ["def same(f):\n    return f\n@same\ndef f(x=RATE):\n    return x"],
        "f()",
    ),
    "a cached function": (["@functools.lru_cache\ndef f(x=RATE):\n    return x"], "f()"),
    "a name that is gone": ([f"{DECO}\n@deco\ndef f(x=GONE):\n    return x\ndel deco"], "f()"),
    "a name that is gone, in a cache": (["@functools.lru_cache\ndef f(x=GONE):\n    return x"], "f()"),
    "registered implementations": (
        [
            "@functools.singledispatch\ndef area(x, k=RATE):\n    return k",
            "@area.register(int)\ndef _(x, k=RATE):\n    return 'int', k",
        ],
        "area('a'), area(1)",
    ),
    "an argument of a decorator": (
        [
            "def scaled(by):\n    def deco(f):\n        @functools.wraps(f)\n        def wrapper(*args):\n"
            "            return f(*args) * by\n        return wrapper\n    return deco",
            "@scaled(by=RATE + 4)\ndef f(x=RATE):\n    return x",
        ],
        "f()",
    ),
    "methods": (
        [
            f"{DECO}\nclass C:\n    def plain(self, x=RATE):\n        return x\n"
            "    @staticmethod\n    def static(x=RATE):\n        return x\n"
            "    @classmethod\n    def of_class(cls, x=RATE):\n        return x\n"
            "    @deco\n    def wrapped(self, x=RATE):\n        return x\n"
            "    gone = lambda self, x=RATE: x"
        ],
        "C().plain(), C.static(), C.of_class(), C().wrapped(), C().gone()",
    ),
    "a method, of a name that is gone": (["class C:\n    def m(self, x=GONE):\n        return x"], "C().m()"),
    "beside one that is there": (
        [
            "class C:\n    def m(self, x=GONE):\n        return x\n    def n(self, y=3, z='a'):\n        return y, z"
        ],
        "C().m(), C().n()",
    ),
    "a default that has grown": (
        [
            "class C:\n    def m(self, seen=[]):\n        seen.append(1)\n        return len(seen)",
            "C().m()\nC().m()",
        ],
        "C().m()",
    ),
    "a data class": (
        [
            "@dataclasses.dataclass\nclass D:\n    x: float = RATE\n    y: list = dataclasses.field(default_factory=list)\n"
            "    z: float = dataclasses.field(default=RATE)\n    k: int = 3",
            "@dataclasses.dataclass\nclass E(D):\n    more: int = RATE * 2",
        ],
        "D(), E(), D.__dataclass_fields__['z'].default",
    ),
    "a frozen data class": (
        ["@dataclasses.dataclass(frozen=True)\nclass D:\n    x: tuple = (RATE, 2)"],
        "D()",
    ),
    "a named tuple": (["class N(typing.NamedTuple):\n    x: int = RATE"], "N(), N._field_defaults"),
    "a named tuple that was called for": (
        ["K = collections.namedtuple('K', 'a b', defaults=[RATE, RATE])"],
        "K()",
    ),
    "an abstract class": (
        [
            "class A(abc.ABC):\n    limit = RATE\n    @abc.abstractmethod\n    def m(self, x=RATE): ...",
            "class B(A):\n    def m(self, x=RATE + 1):\n        return x + self.limit",
        ],
        "B().m()",
    ),
    "a class within a class": (
        [
            "class Outer:\n    class Config:\n        rate = RATE\n        def m(self, x=RATE):\n            return x\n"
            "        @dataclasses.dataclass\n        class Deep:\n            v: int = RATE",
            "Outer.Config.late = 9",
        ],
        "Outer.Config.rate, Outer.Config().m(), Outer.Config.Deep(), Outer.Config.late",
    ),
    "an enumeration": (
        ["class A(enum.Enum):\n    X = RATE\n    Y = RATE + 10\n    Z = f'{RATE}'"],
        "[(m.name, m.value) for m in A]",
    ),
    "flags": (
        ["class F(enum.IntFlag):\n    P = RATE\n    Q = 4"],
        "[(m.name, m.value) for m in F], F.P | F.Q",
    ),
    "an enumeration within a class": (
        ["class A:\n    class Kind(enum.Enum):\n        X = RATE"],
        "A.Kind.X.value",
    ),
    "a body that chose": (
        [
            "class P:\n    if flag:\n        def m(self):\n            return 1\n"
            "    else:\n        def m(self):\n            return 2"
        ],
        "P().m()",
    ),
    "an attribute of a name that is gone": (["class H:\n    k = GONE"], "H.k"),
    "private attributes": (
        [
            "class A:\n    _count = 0\n    __seen = {}\n    def __init__(self):\n        A._count += 1\n"
            "        A.__seen[A._count] = 1\n    @classmethod\n    def seen(cls):\n        return cls.__seen",
            "A()\nA()",
        ],
        "A._count, A.seen()",
    ),
    "the one instance of a class": (
        [
            "class Single:\n    _it = None\n    def __new__(cls):\n        if cls._it is None:\n"
            "            cls._it = super().__new__(cls)\n        return cls._it",
            "Single().v = 7",
        ],
        "Single().v, Single() is Single()",
    ),
    "instances that a class keeps": (
        [
            "class A:\n    all = []\n    def __init__(self, n=RATE):\n        self.n = n\n        A.all.append(self)",
            "a = A()",
        ],
        "[x.n for x in A.all], A.all[0] is a",
    ),
    "objects in the body of a class": (
        [
            "class Meter:\n    def __init__(self, n=RATE):\n        self.n = n",
            "class C:\n    meter = Meter(RATE)\n    part = functools.partial(max, RATE)\n    squares = [RATE * i for i in range(3)]",
            "C.meter.n += 4",
        ],
        "C.meter.n, C.part(0), C.squares",
    ),
    "a descriptor": (
        [
            "class Default:\n    def __init__(self, n=RATE):\n        self.n = n\n"
            "    def __get__(self, obj, kind=None):\n        return self.n",
            "class C:\n    v = Default()\n    w = Default(RATE + 1)",
        ],
        "C.v, C().w",
    ),
    "keywords of a class": (
        [
            "class Base:\n    known = {}\n    def __init_subclass__(cls, k=RATE, **named):\n        Base.known[cls.__name__] = k",
            "class One(Base): pass\nclass Two(Base, k=RATE + 5): pass",
        ],
        "Base.known, One.__name__, Two.__name__",
    ),
    "a generator and a coroutine": (
        ["def g(n=RATE):\n    yield n", "async def c(x=RATE):\n    return x"],
        "list(g()), c.__defaults__",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_worked_out_once_is_not_worked_out_again(form, notebook):
    cells, use = FORMS[form]
    for cell in [BEFORE, *cells, AFTER]:
        notebook.run(cell)
    packed = notebook.pack(f"print(({use}))", label="In[99]")
    out, _ = notebook.job(packed)
    expected = notebook.run(f"({use})")
    assert out == f"{expected}\n"


def test_what_cannot_travel_is_made_anew_in_the_body_of_a_class(notebook):
    notebook.run("import threading\nclass C:\n    lock = threading.Lock()\n    n = 1")
    notebook.run("C.n = 2")
    out, _ = notebook.job(notebook.pack("with C.lock:\n    print(C.n)", label="In[99]"))
    assert out == "2\n"


def test_a_class_of_the_same_name_in_an_earlier_cell_is_another(notebook):
    notebook.run("class A:\n    x = 1")
    notebook.run(
        "class A:\n    _count = 0\n    x = 1\n    def seen(self):\n        return A._count\nA._count = 3"
    )
    out, _ = notebook.job(notebook.pack("print(A().seen(), A.x)"))
    assert out == "3 1\n"


def test_a_class_of_the_same_name_in_a_later_cell_is_another(notebook):
    notebook.run(
        "class A:\n    _count = 0\n    x = 1\n    def seen(self):\n        return A._count\nA._count = 3"
    )
    notebook.run("kept = A\nclass A:\n    x = 1")
    notebook.run("A = kept")
    out, _ = notebook.job(notebook.pack("print(A().seen(), A.x)"))
    assert out == "3 1\n"
