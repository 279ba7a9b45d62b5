"""What a notebook has set in modules of its own travels: the job imports the files and has the same."""

import sys

import pytest

from sovlab.payload.code import Call
from sovlab.payload.files import module_state
from sovlab.payload.results import Results

SOURCE = """
import collections, dataclasses, threading, types
X = 1
RATE = 0.1
TABLE = {}
NAMES = []
settings = types.SimpleNamespace(rate=1)
@dataclasses.dataclass
class Config:
    size: int = 1
    more: dict = dataclasses.field(default_factory=dict)
config = Config()
count = collections.Counter()
LOCK = threading.Lock()
BUILT = {}
BUILT["a"] = lambda: 1
def set_rate(value):
    global RATE
    RATE = value
def rate():
    return RATE
def get():
    return X
def register(f):
    TABLE[f.__name__] = f
    NAMES.append(f.__name__)
    return f
def helper(x):
    return x
def step():
    step.calls = getattr(step, "calls", 0) + 1
    return step.calls
class Model:
    width = 0
    def size(self):
        return 1
    def hook(self):
        return self.hook.seen
"""
CELL = """
mine.X = 2
mine.Model.width = 5
mine.Model.late = 3
mine.settings.rate = 7
mine.config.size = 9
mine.config.more["a"] = 1
mine.count["z"] += 1
mine.set_rate(8)
mine.step()
mine.get.note = [3]
mine.Model.hook.seen = 4
@mine.register
def f(x):
    return x + 1
def other(x):
    return x * 100
mine.helper = other
mine.Model.size = lambda self: f(10)
mine.added = [f]
table = mine.TABLE
mine_config = mine.config
"""
USES = [
    "mine.X, mine.get()",
    "mine.Model.width, mine.Model.late, mine.Model().size()",
    "mine.settings.rate, mine.config, mine.config is mine_config",
    "mine.count, mine.rate()",
    "list(mine.TABLE), mine.NAMES, mine.TABLE is table, mine.TABLE['f'] is f",
    "mine.helper(2), mine.added[0] is f, mine.added[0](1)",
    "mine.LOCK.locked(), mine.BUILT['a']()",
    "get()",
    "mine.get.note, mine.Model().hook()",
    "mine.step()",
]


@pytest.fixture
def module(notebook, monkeypatch):
    (notebook.directory / "mine.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(notebook.directory))
    sys.modules.pop("mine", None)
    notebook.run("import mine\nfrom mine import get")
    yield notebook.directory / "mine.py"
    sys.modules.pop("mine", None)


@pytest.mark.parametrize("use", USES)
def test_what_was_set_in_a_module_is_set_in_the_job(use, notebook, module):
    module_state.look(["mine"])
    notebook.run(CELL)
    out, _ = notebook.job(notebook.pack(f"print(({use}))"))
    assert out == f"{notebook.run(f'({use})')}\n"


@pytest.mark.parametrize("use", [*USES[:2], *USES[4:6], *USES[7:9], "mine.rate()"])
def test_also_where_nobody_looked_at_the_module_before(use, notebook, module):
    notebook.run(CELL)
    out, _ = notebook.job(notebook.pack(f"print(({use}))"))
    assert out == f"{notebook.run(f'({use})')}\n"


@pytest.mark.parametrize("use", ["mine.helper(2)", "helper(2)", "mine.Model().size()"])
def test_a_wrapper_with_the_names_of_what_it_wraps(use, notebook, module):
    notebook.run(
        "import functools\ndef timed(f):\n    @functools.wraps(f)\n    def wrapper(*args):\n"
        "        return 'timed', f(*args)\n    return wrapper\n"
        "mine.helper = timed(mine.helper)\nmine.Model.size = timed(mine.Model.size)\nfrom mine import helper"
    )
    out, _ = notebook.job(notebook.pack(f"print(({use}))"))
    assert out == f"{notebook.run(f'({use})')}\n"


def test_also_in_the_cell_that_imports_it(notebook, module):
    notebook.run("mine.X = 2\nmine.TABLE['a'] = 1\nmine.Model.width = 5")
    module_state.look(["mine"])
    out, _ = notebook.job(notebook.pack("print(mine.X, mine.TABLE, mine.Model.width)"))
    assert out == "2 {'a': 1} 5\n"


def test_what_a_module_works_out_is_left_to_the_job(notebook, module):
    module.write_text("import os\nPID = os.getpid()\nDATA = {}\nDATA['pid'] = PID\n")
    notebook.run("import importlib\n_ = importlib.reload(mine)")
    sys.modules.pop("mine")
    notebook.run("import mine")
    module_state.look(["mine"])
    out, _ = notebook.job(notebook.pack("import os\nprint(mine.PID == os.getpid())"))
    assert out == "True\n"


def test_a_module_of_a_package_that_only_another_one_imports(notebook, monkeypatch):
    package = notebook.directory / "parts"
    package.mkdir()
    (package / "__init__.py").write_text("from parts import deep\n")
    (package / "deep.py").write_text("N = 1\n")
    (notebook.directory / "uses.py").write_text("import parts.deep\ndef n():\n    return parts.deep.N\n")
    monkeypatch.syspath_prepend(str(notebook.directory))
    notebook.run("import uses, parts.deep\nparts.deep.N = 4")
    out, _ = notebook.job(notebook.pack("print(uses.n())"))
    for name in ("uses", "parts", "parts.deep"):
        sys.modules.pop(name, None)
    assert out == "4\n"


def test_what_cannot_travel_is_named(notebook, module):
    notebook.run("mine.X = (n for n in [1])\nmine.API_KEY = 'sk-12345678901234567890123456789012'")
    packed = notebook.pack("print(mine.X)")
    said = "\n".join(packed.messages)
    assert (
        "mine.X, set here, does not travel: generator cannot be pickled. In the job it is as mine makes it."
        in said
    )
    assert "mine.API_KEY, set here, does not travel: it looks like a secret" in said
    out, _ = notebook.job(packed)
    assert out == "1\n"


def test_an_edited_file_is_named(notebook, module):
    packed = notebook.pack("print(mine.helper(2))")
    assert not packed.messages
    module.write_text(SOURCE.replace("    return x\n", "    return x + 40\n"))
    packed = notebook.pack("print(mine.helper(2))")
    assert "mine.py was edited after its import here; the job runs it as it is now." in packed.messages[0]
    out, _ = notebook.job(packed)
    assert out == "42\n"


def test_a_call_has_it_too(notebook, module):
    notebook.run("mine.X = 6")
    packed = Call(notebook.ns["mine"].get, directory=notebook.directory).pack(notebook.store)
    _, results = notebook.job(packed, ["return"])
    assert Results(results, main=notebook.ns).value("return") == 6
