"""Small notebooks made at random, run plainly and as a job: equal values, or a refusal before the run."""

# ruff: noqa: E501 - cells, as they are

import os
import random

import pytest

from sovlab.errors import CaptureError

COUNT = int(os.environ.get("SOVLAB_TEST_NOTEBOOKS", "30"))
"""How many are made. Thousands take minutes."""
SEED = int(os.environ.get("SOVLAB_TEST_SEED", "20261128"))

DECORATORS = {
    "same": "def same(f):\n    return f",
    "twice": "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def w(x):\n        return f(x) * 2\n    return w",
    "listed": "LISTED = []\ndef listed(f):\n    LISTED.append(f)\n    return f",
    "named": "NAMED = {}\ndef named(f):\n    NAMED[f.__name__] = f\n    return f",
    "counted": "COUNTED = 0\ndef counted(f):\n    global COUNTED\n    COUNTED += 1\n    f.number = COUNTED\n    return f",
    "kept": "import functools\ndef kept(f):\n    seen = {}\n    @functools.wraps(f)\n    def w(x):\n"
    "        seen[x] = f(x)\n        return len(seen)\n    w.seen = seen\n    return w",
}
READ = {
    "listed": "[f(1) for f in LISTED]",
    "named": "sorted(NAMED), [NAMED[n](2) for n in sorted(NAMED)]",
    "counted": "COUNTED",
}


class Maker:
    """Makes the cells of one notebook, and an expression of what they bound."""

    def __init__(self, chance):
        self.chance = chance
        self.cells, self.functions, self.classes, self.values, self.decorators = [], [], [], [], []

    def expression(self):
        of = [lambda: str(self.chance.randint(0, 9))]
        of += [lambda name=name: name for name in self.values]
        of += [lambda name=name: f"{name}({self.chance.randint(0, 5)})" for name in self.functions]
        of += [lambda name=name: f"{name}().go(1)" for name in self.classes]
        one, other = self.chance.choice(of)(), self.chance.choice(of)()
        return f"{one} {self.chance.choice(['+', '-', '*'])} {other}"

    def value(self):
        name = self.chance.choice("abc")
        self.cells.append(f"{name} = {self.expression()}")
        if name not in self.values:
            self.values.append(name)

    def known(self):
        """A number, or a name that has one now and may have another later."""
        return self.chance.choice([str(self.chance.randint(1, 9)), *self.values])

    def function(self):
        name = self.chance.choice("fgh")
        known = [n for n in self.functions if n != name]
        self.functions = known
        decorator = self.chance.choice([*self.decorators, None]) if self.decorators else None
        line = f"@{decorator}\n" if decorator else ""
        default = self.chance.choice(
            ["", "", f", k={self.chance.randint(1, 3)}", ", k=[1]", f", k={self.known()}"]
        )
        more = {"": "", ", k=[1]": " + len(k)"}.get(default, " + k")
        self.cells.append(f"{line}def {name}(x{default}):\n    return x{more} + ({self.expression()})")
        self.functions = [*known, name]

    def class_(self):
        name = self.chance.choice(["P", "Q"])
        others = [c for c in self.classes if c != name]
        self.classes = others
        base = self.chance.choice([*others, ""])
        size = self.chance.choice([self.chance.randint(1, 9), self.known(), f"{self.known()} + 1"])
        default = self.chance.choice(["", f", k={self.known()}", ", k=[1]"])
        body = f"    size = {size}\n    _made = []\n    def go(self, x{default}):\n        self._made.append(x)\n"
        over = " + super().go(x)" if base else ""
        self.cells.append(
            f"class {name}{f'({base})' if base else ''}:\n{body}"
            f"        return self.size * x{over} + len(self._made){' + (k if k else 0)' if default[:3] == ', k' and '[' not in default else ''}"
            f" + ({self.expression()})"
        )
        self.classes = [*others, name]

    def decorator(self):
        name = self.chance.choice(list(DECORATORS))
        if name not in self.decorators:
            self.cells.append(DECORATORS[name])
            self.decorators.append(name)

    def closure(self):
        name = self.chance.choice("rs")
        self.cells.append(
            f"def make_{name}(n):\n    def inner(x):\n        return x + n + ({self.expression()})\n    return inner\n"
            f"{name} = make_{name}({self.chance.randint(1, 5)})"
        )
        if name not in self.functions:
            self.functions.append(name)

    def change(self):
        if self.functions and self.chance.random() < 0.5:
            self.cells.append(f"{self.chance.choice(self.functions)}.note = {self.chance.randint(0, 9)}")
        elif self.classes:
            self.cells.append(f"{self.chance.choice(self.classes)}.size = {self.chance.randint(10, 20)}")

    def instance(self):
        if self.classes:
            name = self.chance.choice("uv")
            self.cells.append(f"{name} = {self.chance.choice(self.classes)}()")
            self.instances = {*getattr(self, "instances", ()), name}

    def record(self):
        one, other = self.known(), self.known()
        self.cells.append(
            "import dataclasses, enum\n@dataclasses.dataclass\nclass R:\n"
            f"    n: int = {one}\n    m: int = dataclasses.field(default={other})\n    _all = []\n"
            "    def __post_init__(self):\n        R._all.append(self.n)\n"
            f"class E(enum.Enum):\n    A = {other}\n    B = 'b'\n    def plus(self, x={one}):\n        return x"
        )
        self.records = True

    def make(self):
        makers = [
            self.value,
            self.function,
            self.class_,
            self.decorator,
            self.closure,
            self.change,
            self.instance,
            self.record,
        ]
        for _ in range(self.chance.randint(3, 10)):
            self.chance.choice(makers)()
        parts = [f"{n}(3)" for n in self.functions]
        parts += [f"getattr({n}, 'note', None)" for n in self.functions]
        parts += [f"({c}().go(2), {c}.size)" for c in self.classes] + self.values
        parts += [f"({n}.go(1), isinstance({n}, type({n})))" for n in sorted(getattr(self, "instances", ()))]
        parts += ["(R(), R.m, R._all, E.A.value, E.B.plus(), R(2, m=E.A.value))"] * hasattr(self, "records")
        parts += [READ[d] for d in self.decorators if d in READ]
        self.chance.shuffle(parts)
        return f"[{', '.join(parts)}]"


@pytest.mark.timeout(180 + 20 * COUNT)
def test_a_job_gives_what_the_notebook_gives_or_says_before_that_it_cannot(notebook):
    chance = random.Random(SEED)
    # Of an endless recursion IPython shows thousands of frames, which takes minutes, and nobody reads it.
    notebook.shell.showtraceback = lambda *_, **__: None
    refused = 0
    for number in range(COUNT):
        notebook.shell.reset(new_session=False)
        maker = Maker(chance)
        use = maker.make()
        told = f"seed {SEED}, notebook {number}:\n" + "\n# next cell\n".join([*maker.cells, use])
        try:
            for cell in maker.cells:
                notebook.run(cell)
            packed = notebook.pack(f"print({use})", label="In[99]")
            expected = notebook.run(use)  # after that: what it calls may count how often
        except CaptureError:
            refused += 1
            continue
        except (RecursionError, TypeError):
            continue  # the notebook itself does not run
        try:
            out, _ = notebook.job(packed)
        except AssertionError as failure:
            raise AssertionError(f"{told}\n\n{str(failure)[:600]}") from None
        assert out == f"{expected}\n", told
    assert refused < max(COUNT // 20, 2), "hardly anything of that needs to be refused"
