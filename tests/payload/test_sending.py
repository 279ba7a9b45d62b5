"""What is refused, withheld or mentioned when something is sent, and that sending is repeatable."""

import re
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from sovlab.errors import CaptureError, SovlabError, SpecError
from sovlab.payload import gathering
from sovlab.payload.code import Call, Cell
from sovlab.payload.scripts import Script
from sovlab.payload.secrets import suspicious
from sovlab.runner.values.pack import Pack


@pytest.fixture
def unpicklable(tmp_path):
    """Things that stay in the process that made them."""
    thread = threading.Thread(target=lambda: None)
    things = {
        "file": open(tmp_path / "log", "w"),  # noqa: SIM115 - it stays open on purpose
        "socket": socket.socket(),
        "database": sqlite3.connect(":memory:"),
        "lock": threading.RLock(),
        "generator": (i for i in range(3)),
        "thread": thread,
        "process": subprocess.Popen([sys.executable, "-c", ""]),
    }
    yield things
    things["file"].close()
    things["socket"].close()
    things["database"].close()
    things["process"].wait()


@pytest.mark.parametrize(
    ("defines", "cell", "says"),
    [
        ("def f():\n    !echo hi", "f()", "f runs '!echo hi' in line 2 of In[1]"),
        ("def f():\n    out = !echo {1}\n    return out", "f()", "f runs '!echo {1}' in line 2"),
        ("def f():\n    %time x = 1\ndef g():\n    f()", "g()", "f runs '%time x = 1' in line 2"),
        ("def f():\n    x = %pwd\n    return x", "f()", "f runs '%pwd' in line 2"),
        ("class A:\n    def m(self):\n        !echo", "A().m()", "A runs '!echo' in line 3"),
        ("class A:\n    def __call__(self):\n        !echo", "A()()", "A runs '!echo' in line 3"),
        ("class A:\n    def m(self):\n        !echo\na = A()", "a.m()", "A runs '!echo' in line 3"),
        (
            "def make():\n    def f():\n        !echo\n    return f\nf = make()",
            "f()",
            "make.<locals>.f runs a line",
        ),
    ],
)
def test_a_function_with_a_line_of_ipythons_is_refused_by_its_name(notebook, defines, cell, says):
    notebook.run(defines)
    with pytest.raises(CaptureError, match=re.escape(says)) as caught:
        notebook.pack(cell)
    assert caught.value.hint
    with pytest.raises(CaptureError):
        Call(eval(cell.removesuffix("()"), notebook.ns)).pack(notebook.store)


def test_a_method_that_the_job_does_not_call_may_have_one(notebook):
    notebook.run("class A:\n    def show(self):\n        !ls\n    def answer(self):\n        return 42")
    packed = notebook.pack("print(A().answer())")
    assert any(m.startswith("A.show runs '!ls' in line 3 of In[1], which fails") for m in packed.messages)
    assert notebook.job(packed)[0] == "42\n"


def test_code_that_asks_whether_there_is_a_notebook_travels(notebook):
    notebook.run(
        "def in_notebook():\n    try:\n        return get_ipython() is not None\n"
        "    except NameError:\n        return False"
    )
    assert notebook.job(notebook.pack("print(in_notebook())"))[0] == "False\n"


@pytest.mark.parametrize("kind", ["file", "socket", "database", "lock", "generator", "thread", "process"])
def test_what_cannot_travel_is_named_with_line_and_remedy(tmp_path, unpicklable, kind):
    with pytest.raises(CaptureError) as caught:
        Cell("x = 1\n\nuse(cfg['it'][0])", {"cfg": {"it": [unpicklable[kind]]}}).pack(tmp_path / "objects")
    message = str(caught.value)
    assert message.startswith("cfg['it'][0]")
    assert "line 3" in message
    assert type(unpicklable[kind]).__name__ in message
    assert "inside the cell" in caught.value.hint
    assert not (tmp_path / "objects").exists()


def test_a_large_variable_travels_only_when_named(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_UNNAMED", 1_000_000)
    namespace = {"big": bytearray(1_100_000), "small": 1}
    with pytest.raises(CaptureError) as caught:
        Cell("print(small)\nprint(len(big))", namespace).pack(tmp_path)
    assert str(caught.value) == (
        "big, read in line 2, is 1.1 MB, more than the 1.0 MB that are sent without being named. "
        "To send it, name it: --in big,small."
    )
    packed = Cell("print(small)\nprint(len(big))", namespace).pack(tmp_path, send=("big", "small"))
    assert packed.variables["big"][1] > 1_000_000


def test_a_large_variable_that_a_definition_reads_is_asked_for_beside_those_named(notebook, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_UNNAMED", 1_000_000)
    notebook.run("big, small = bytearray(1_100_000), 1\ndef f():\n    return big")
    with pytest.raises(CaptureError) as caught:
        notebook.pack("small, f()", send=("small",))
    assert str(caught.value).startswith("big, read in f, is 1.1 MB")
    assert caught.value.hint == "To send it, name it: --in small,big."


def test_a_view_of_a_large_tensor_says_how_to_send_its_part_alone(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(gathering, "MAX_UNNAMED", 1_000_000)
    with pytest.raises(CaptureError, match=r"view of a larger tensor: row\.clone\(\) is 4\.0 kB"):
        Cell("row", {"row": torch.zeros(1000, 1000)[0]}).pack(tmp_path)


SECRETS = {
    "hf_token": "short-one",
    "HF_TOKEN": b"bytes too",
    "openaiApiKey": "x",
    "password": "1234",
    "db_password_2": "correct horse",
    "AWS_SECRET_ACCESS_KEY": "abc",
    "x": "ghp_" + "a1" * 18,
    "y": "before hf_" + "aB3" * 12 + " after",
    "z": "postgres://user:hunter2@host/db",
    "k": "-----BEGIN RSA PRIVATE KEY-----\nabc",
    "j": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "token": "d41d8cd98f00b204e9800998ecf8427e",
}
PLAIN = {
    "tokens": ["a", "b"],
    "max_tokens": 100,
    "max_tokens_text": "100",
    "token_ids": [1, 2],
    "tokenizer": "bert-base-uncased",
    "eos_token": "<|endoftext|>",
    "pad_token": "[PAD]",
    "next_token": "hello",
    "token": "the",
    "key": "value",
    "keys": "abc",
    "primary_key": "id",
    "pwd": "/home/someone",
    "secretary": "Ms X",
    "password_length": 12,
    "api_key": None,
    "empty_password": "",
    "url": "https://host:8080/path@v1",
    "text": "ask-me-anything about risk-management-of-everything",
    "hash": "d41d8cd98f00b204e9800998ecf8427e",
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_recognised(name):
    assert suspicious(name, SECRETS[name])


@pytest.mark.parametrize("name", PLAIN)
def test_words_of_machine_learning_are_no_secrets(name):
    assert suspicious(name, PLAIN[name]) == ""


def test_secrets_one_level_down_are_recognised_without_showing_them(tmp_path):
    import dataclasses

    @dataclasses.dataclass
    class Settings:
        api_key: str
        lr: float = 0.1

    secret = "hf_" + "aB3" * 12
    for value, path in (
        ({"lr": 1, "api_key": "s3"}, "cfg['api_key'] looks"),
        (Settings("s3"), "cfg.api_key looks"),
        ([1, secret], "cfg[1] looks"),
        ({secret: 1}, "cfg (a key) looks"),
    ):
        why = suspicious("cfg", value)
        assert why.startswith(path)
        assert secret not in why
        assert "s3" not in why


def test_a_secret_is_withheld_unless_it_is_named(notebook, meta):
    secret = "hf_" + "aB3" * 12
    notebook.run(f"cfg = {{'token': '{secret}'}}\nhf_token = 'abcdef'\ndef login():\n    return hf_token")
    packed = notebook.pack("print('cfg' in list(globals()), login)")
    assert packed.withheld == ["hf_token"]
    packed = notebook.pack("cfg, login()")
    assert packed.withheld == ["cfg", "hf_token"]
    assert meta(packed)["withheld"] == ["cfg", "hf_token"]
    data = packed.path.read_bytes()
    assert secret.encode() not in data
    assert b"abcdef" not in data
    text = " ".join(packed.messages)
    assert "cfg['token'] looks like a secret" in text
    assert secret not in text
    named = notebook.pack("cfg, login()", send=("cfg", "hf_token"))
    assert not named.withheld
    assert secret.encode() in named.path.read_bytes()


def test_a_secret_that_only_a_lambda_reads_is_withheld(notebook):
    notebook.run("hf_token = 'abcdef'\nfs = [lambda: hf_token, eval('lambda: hf_token')]")
    packed = notebook.pack("fs")
    assert packed.withheld == ["hf_token"]
    assert b"abcdef" not in packed.path.read_bytes()


def test_the_same_cell_with_the_same_inputs_is_the_same_payload(notebook):
    notebook.run("import numpy as np\nx = np.arange(10000)\ncfg = {'a': 1}\ndef f(v=[]):\n    return x, g()")
    notebook.run("def g():\n    return cfg")
    first = notebook.pack("f()", label="In[3]")
    written = first.path.stat().st_ino
    notebook.run("unrelated = 5")
    again = notebook.pack("f()", label="In[9]")
    assert again.digest == first.digest
    assert first.path.stat().st_ino == written
    notebook.run("cfg['a'] = 2")
    assert notebook.pack("f()").digest != first.digest


def test_the_payload_is_the_same_from_another_process_with_another_hash_seed(tmp_path):
    code = textwrap.dedent(
        """
        import sys, pathlib
        from IPython.core.interactiveshell import InteractiveShell
        from sovlab.payload.code import Cell
        shell = InteractiveShell.instance()
        for n in range(int(sys.argv[2])):
            shell.run_cell("pass", store_history=True)
        shell.run_cell('''import os, json as j, collections
        names = {"b": 1, "a": 2}
        class A:
            table = names
            def m(self): return other, j.dumps(names), os.sep
        other = collections.Counter("abc")
        things = [A(), A]
        ''', store_history=True)
        print(Cell("things[0].m(), other, zzz", shell.user_ns).pack(pathlib.Path(sys.argv[1])).digest)
        """
    )
    digests = set()
    for seed in ("1", "2", "77"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), seed],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.split()[-1])
    assert len(digests) == 1


def test_no_path_of_this_machine_and_no_time_is_in_a_payload(notebook):
    notebook.run("def f():\n    return 1\nclass A:\n    pass\na = A()")
    (notebook.directory / "helper_mod.py").write_text("VALUE = 1\n")
    packed = notebook.pack("import helper_mod\nf(), a")
    data = packed.path.read_bytes()
    assert str(notebook.directory).encode() not in data
    assert b"ipython-input" not in data


def test_an_undefined_name_is_mentioned_and_not_refused(notebook):
    notebook.run("dataset = 1")
    packed = notebook.pack("print(datset)")
    assert any("datset" in m and "Did you mean dataset?" in m for m in packed.messages)


def test_out_of_a_name_that_nothing_binds_is_mentioned(notebook):
    packed = notebook.pack("model = 1", outputs=("modle",))
    assert any("modle" in m and "Did you mean model?" in m for m in packed.messages)


def test_out_of_a_name_the_cell_may_leave_takes_its_value_along(notebook):
    from sovlab.payload.results import Results

    notebook.run("best = 'before'\nflag = False")
    _, results = notebook.submit("if flag:\n    best = 'after'", ["best"])
    assert Results(results, main={}).value("best") == "before"


def test_a_value_that_is_still_to_come_says_so(notebook):
    from sovlab.errors import PendingResultError
    from sovlab.jupyter.placeholder import Placeholder

    notebook.ns["model"] = Placeholder(
        lambda: PendingResultError("model comes from job x, which has not ended.")
    )
    with pytest.raises(PendingResultError):
        notebook.pack("print(model)")
    assert (
        "model"
        not in notebook.pack("with open('f') as f, suppress(E):\n    model = 1", outputs=("model",)).variables
    )


def test_a_function_with_arguments_runs_in_the_job(notebook):
    from sovlab.payload.results import Results

    notebook.run("SCALE = 3\ndef work(x, *, y=1):\n    return x * SCALE + y")
    packed = Call(notebook.ns["work"], (2,), {"y": 5}).pack(notebook.store)
    assert set(packed.variables) == {"SCALE"}
    assert not packed.bytecode
    _, results = notebook.job(packed, ["return"])
    assert Results(results, main=notebook.ns).value("return") == 11


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "where"),
    [
        (len, ([threading.Lock()],), {}, "argument 1 (at [0])"),
        (dict, (), {"out": threading.Lock()}, "argument out"),
        (threading.Lock().acquire, (), {}, "the function"),
    ],
)
def test_an_argument_that_cannot_travel_is_named(tmp_path, function, args, kwargs, where):
    with pytest.raises(CaptureError) as caught:
        Call(function, args, kwargs).pack(tmp_path)
    assert str(caught.value).startswith(where)


def test_lambdas_closures_and_methods_can_be_called(notebook):
    from sovlab.payload.results import Results

    notebook.run("K = 7\nclass A:\n    def m(self, x):\n        return x + K\na = A()")
    notebook.run("def make(n):\n    return lambda x: x + n + K")
    for text, expected in (("lambda: K", 7), ("a.m", 8), ("make(10)", 18)):
        function = eval(text, notebook.ns)
        packed = Call(function, () if text.startswith("lambda") else (1,)).pack(notebook.store)
        _, results = notebook.job(packed, ["return"])
        assert Results(results, main=notebook.ns).value("return") == expected


def test_a_script_travels_byte_for_byte_with_its_modules(tmp_path):
    (tmp_path / "part.py").write_text("X = 1\n")
    source = "# -*- coding: latin-1 -*-\r\nimport part\r\nname = 'é'\r\n".encode("latin-1")
    script = tmp_path / "a script.py"
    script.write_bytes(source)
    packed = Script(script).pack(tmp_path / "objects")
    pack = Pack(packed.path)
    assert bytes(pack.segment("source")) == source
    assert pack.meta["entry"] == {"script": "a script.py"}
    assert packed.files == ["part.py"]
    assert list(packed.labels.values()) == ["a script.py"]


def test_a_missing_or_broken_script_is_refused(tmp_path):
    with pytest.raises(SpecError, match="no file"):
        Script(tmp_path / "absent.py").pack(tmp_path)
    with pytest.raises(SpecError, match="cannot be read"):
        Script(tmp_path).pack(tmp_path)
    (tmp_path / "bad.py").write_text("x = (\n")
    with pytest.raises(SyntaxError):
        Script(tmp_path / "bad.py").pack(tmp_path)
    assert issubclass(SpecError, SovlabError)
