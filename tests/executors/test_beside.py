"""What code reads and writes beside itself: as a plain ``python`` would have, here and on a cluster."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from sovlab.client import submitting
from sovlab.client.job import Job
from sovlab.core.job import JobState
from sovlab.errors import CaptureError, SpecError
from sovlab.executors.local import LocalExecutor
from sovlab.options.job import Options
from sovlab.payload.code import Call, Cell, Code
from sovlab.payload.scripts import Module, Script
from sovlab.settings import Defaults
from tests.executors.conftest import EXECUTORS, Harness, local_harness

READER = """
    import json, os, sys
    from pathlib import Path
    print(Path(__file__).with_name("data.csv").read_text())
    print(os.path.basename(__file__), [os.path.basename(p) for p in sys.argv], __name__, __spec__)
    print(os.path.samefile(sys.path[0], os.path.dirname(os.path.realpath(__file__))))
    made = Path(__file__).parent / "checkpoints"
    made.mkdir()
    (made / "step.pt").write_bytes(b"weights")
    Path(__file__).with_name("data.csv").write_text("changed")
"""
PROJECTS: dict[str, tuple[str, Mapping[str, str]]] = {
    "a script reads and writes beside itself": ("train.py", {"train.py": READER, "data.csv": "1,2"}),
    "a script reads above itself": (
        "scripts/train.py",
        {
            "scripts/train.py": """
                import os, helper
                root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
                for name in ("a", "b"):
                    print(open(os.path.join(root, "configs", f"{name}.toml")).read())
                print(helper.value(), sorted(os.listdir(os.path.join(root, "configs"))))
                with open(os.path.join(root, "out.txt"), "w") as file:
                    file.write("done")
            """,
            "scripts/helper.py": """
                from pathlib import Path
                def value():
                    return (Path(__file__).parent.parent / "shared" / "value.txt").read_text()
            """,
            "configs/a.toml": "a = 1",
            "configs/b.toml": "b = 2",
            "shared/value.txt": "42",
        },
    ),
    "a package reads its own data in each way": (
        "main.py",
        {
            "main.py": "import lab.inner\nprint(lab.inner.all_ways())\nlab.inner.keep('kept')\n",
            "lab/__init__.py": "PATH = __path__\n",
            "lab/inner.py": """
                import importlib.resources, inspect, os, pkgutil, sys
                from pathlib import Path
                import lab
                def all_ways():
                    here = os.path.dirname(inspect.getfile(inspect.currentframe()))
                    return [
                        importlib.resources.files(__package__).joinpath("words.txt").read_text(),
                        pkgutil.get_data("lab", "words.txt"),
                        Path(lab.PATH[0], "words.txt").read_text(),
                        Path(here, "words.txt").read_text(),
                        Path(__spec__.origin).with_name("words.txt").read_text(),
                        sorted(module.name for module in pkgutil.iter_modules(lab.__path__)),
                        inspect.getsource(keep),
                    ]
                def keep(text):
                    folder = Path(__file__).parent / "cache"
                    folder.mkdir(exist_ok=True)
                    (folder / "kept.txt").write_text(text)
            """,
            "lab/other.py": "",
            "lab/words.txt": "some words",
        },
    ),
    "a module finds files by a pattern": (
        "run.py",
        {
            "run.py": "import tables\nprint(tables.rows())\n",
            "tables.py": """
                import glob, os
                HERE = os.path.dirname(__file__)
                def rows():
                    return [open(path).read() for path in sorted(glob.glob(os.path.join(HERE, "*.tsv")))]
            """,
            "x.tsv": "x",
            "y.tsv": "y",
        },
    ),
    "processes of a spawned pool have the script's place": (
        "pool.py",
        {
            "pool.py": """
                import multiprocessing, beside
                from pathlib import Path
                def work(n):
                    return n, beside.load(), Path(__file__).with_name("n.txt").read_text()
                if __name__ == "__main__":
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        print(pool.map(work, [1, 2]))
            """,
            "beside.py": """
                from pathlib import Path
                def load():
                    return Path(__file__).with_suffix(".json").read_text()
            """,
            "beside.json": "{}",
            "n.txt": "n",
        },
    ),
    "a namespace package": (
        "main.py",
        {
            "main.py": "import space.part\nprint(space.part.text())\n",
            "space/part.py": """
                from importlib.resources import files
                def text():
                    return files("space").joinpath("part.txt").read_text()
            """,
            "space/part.txt": "of a namespace",
        },
    ),
}


def project(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return directory


def tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def submit(harness: Harness, code: Code, files: Sequence[str] = ()) -> tuple[Job, tuple[str, ...]]:
    accepted = submitting.accept(
        code, Options(files=tuple(files), name="beside"), harness.executor, Defaults(), harness.objects
    )
    job = Job(accepted.job_id, harness.executor, lambda record, resume: job)
    return job, accepted.messages


def plain(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-B", *arguments], cwd=directory, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["fake", "forked", "fresh"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, Harness]]:
    kind = request.param
    for harness in EXECUTORS["fake" if kind == "fake" else "local"]():
        if kind == "forked":
            source = "import sys\nprint('sovlab.runner.process.forkserver' in sys.modules)"
            for _ in range(20):
                job, _ = submit(harness, Cell(source, {}))
                if job.logs(follow=True) == "True\n":
                    break
            else:
                pytest.fail("no job was ever forked")
        yield kind, harness


@pytest.mark.parametrize("name", PROJECTS)
def test_a_job_reads_and_writes_beside_its_code_as_python_does(
    name: str, place: tuple[str, Harness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, harness = place
    script, files = PROJECTS[name]
    here, there = project(tmp_path / "here", files), project(tmp_path / "there", files)
    before = tree(there)
    expected = plain(there, script, "an argument")
    monkeypatch.chdir(here)
    if kind == "fresh":
        monkeypatch.setenv("ANOTHER", secrets.token_hex(4))
    job, messages = submit(harness, Script(Path(script), ("an argument",)))
    printed = job.logs(follow=True)
    assert job.state is JobState.SUCCEEDED, printed
    written = {name for name, data in tree(there).items() if before.get(name) != data}
    if kind == "fake":
        assert printed.startswith(expected)
        brought = job.files()
        assert {n: p.read_bytes() for n, p in brought.items()} == {n: tree(there)[n] for n in written}
        assert bool(written) == ("Written beside the code" in printed)
        assert tree(here) == before
    else:
        assert printed == expected
        assert tree(here) == tree(there)
        assert job.files() == {}
        job_files = {p.name for p in harness.executor._store.job(job.id).path.iterdir()}  # type: ignore[attr-defined]
        assert "files" not in job_files
    assert messages == ()


def test_what_runs_is_what_was_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for harness in local_harness(cores=1):
        files = {
            "train.py": """
                import multiprocessing, helper
                from pathlib import Path
                def value(n):
                    return "script, as submitted", helper.value()
                if __name__ == "__main__":
                    print(value(0), Path(__file__).with_name("data.txt").read_text())
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        print(pool.map(value, [1]))
                    helper.fail()
            """,
            "helper.py": """
                def value():
                    return 'helper, as submitted'
                def fail():
                    raise ValueError('why')
            """,
            "data.txt": "data, before",
        }
        here = project(tmp_path, files)
        monkeypatch.chdir(here)
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        first, _ = submit(harness, Cell(f"open({str(gate)!r}).read()", {}))
        job, _ = submit(harness, Script(Path("train.py")))
        (here / "train.py").write_text("print('edited')\n" * 20)
        (here / "helper.py").write_text("def value():\n    return 'edited'\n")
        (here / "data.txt").write_text("data, now")
        gate.write_text("go")
        assert first.wait(60).state is JobState.SUCCEEDED
        printed = job.logs(follow=True)
        assert "('script, as submitted', 'helper, as submitted') data, now" in printed
        assert "[('script, as submitted', 'helper, as submitted')]" in printed
        assert "--> 5     raise ValueError('why')" in printed
        assert "edited" not in printed


@pytest.mark.parametrize("linked", ["script", "directory"])
def test_a_script_behind_a_link(
    linked: str, place: tuple[str, Harness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, harness = place
    source = (
        "import beside, sys\nfrom pathlib import Path\nprint(beside.X, Path(__file__).name)\n"
        "print((Path(__file__).resolve().parent / 'data.csv').read_text())\n"
    )
    project(tmp_path / "real", {"train.py": source, "beside.py": "X = 1", "data.csv": "real"})
    if linked == "script":
        (tmp_path / "go.py").symlink_to(tmp_path / "real" / "train.py")
        script = "go.py"
    else:
        (tmp_path / "link").symlink_to(tmp_path / "real")
        script = "link/train.py"
    expected = plain(tmp_path, script)
    monkeypatch.chdir(tmp_path)
    job, _ = submit(harness, Script(Path(script)))
    printed = job.logs(follow=True)
    assert printed == expected, kind


def test_modules_beside_a_notebook_are_where_they_are(
    place: tuple[str, Harness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, harness = place
    name = f"mod_{secrets.token_hex(3)}"
    project(
        tmp_path,
        {
            f"{name}.py": """
                from pathlib import Path
                def read():
                    return Path(__file__).with_name("table.csv").read_text()
                def write(text):
                    Path(__file__).with_name("written.txt").write_text(text)
            """,
            "table.csv": "a table",
        },
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    cell = f"import {name}\nprint({name}.read())\n{name}.write('from a cell')"
    expected = plain(tmp_path, "-c", cell)
    wanted = tree(tmp_path)
    (tmp_path / "written.txt").unlink()
    job, _ = submit(harness, Cell(cell, {}))
    assert job.logs(follow=True).startswith(expected)
    module = __import__(name)
    call, _ = submit(harness, Call(module.read))
    assert call.result(timeout=60) == "a table"
    if kind == "fake":
        assert {n: p.read_bytes() for n, p in job.files(tmp_path).items()} == {"written.txt": b"from a cell"}
    assert tree(tmp_path) == wanted


def test_what_is_named_travels_to_where_it_is_read(
    place: tuple[str, Harness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, harness = place
    source = """
        import os
        from pathlib import Path
        name = "".join(["da", "ta.bin"])
        print(os.path.getsize(name), os.path.getsize(Path(__file__).with_name(name)))
        print(sorted(os.listdir(Path(__file__).parent / "".join(["con", "figs"]))))
        print(sorted(os.listdir("configs")))
    """
    project(tmp_path, {"train.py": source, "configs/.hidden": "1", "configs/deep/model.ckpt": "2"})
    with (tmp_path / "data.bin").open("wb") as file:
        file.truncate(6_000_000)  # more than goes without being named
    expected = plain(tmp_path, "train.py")
    monkeypatch.chdir(tmp_path)
    job, messages = submit(harness, Script(Path("train.py")), ["data.bin", "configs/"])
    assert job.logs(follow=True) == expected
    assert messages == ()
    cell, _ = submit(harness, Cell("import os\nprint(os.path.getsize('data.bin'))", {}), ["data.bin"])
    assert cell.logs(follow=True) == "6000000\n", kind


def test_what_cannot_travel_is_refused_before_the_run(
    place: tuple[str, Harness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, harness = place
    here = project(tmp_path / "here", {"train.py": "print(1)", "locked/a.txt": "a"})
    (tmp_path / "outside.csv").write_text("1")
    monkeypatch.chdir(here)
    with pytest.raises(CaptureError, match=r"--file names nothing\.csv, which does not exist"):
        submit(harness, Script(Path("train.py")), ["nothing.csv"])
    if kind == "fake":
        with pytest.raises(CaptureError, match=r"outside\.csv, which is not below .*here"):
            submit(harness, Script(Path("train.py")), ["../outside.csv"])
    if os.geteuid() != 0:
        (here / "locked" / "a.txt").chmod(0)
        with pytest.raises(CaptureError, match="cannot be read"):
            submit(harness, Script(Path("train.py")), ["locked/a.txt"])


def test_what_is_not_sent_unasked_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for harness in EXECUTORS["fake"]():
        source = "from pathlib import Path\n" + "".join(
            f"Path(__file__).with_name({name!r})\n"
            for name in ("big.bin", ".env", "model.ckpt", "tls.key", "small.txt")
        )
        project(
            tmp_path, {"train.py": source, ".env": "A=1", "model.ckpt": "1", "tls.key": "k", "small.txt": "s"}
        )
        with (tmp_path / "big.bin").open("wb") as file:
            file.truncate(6_000_000)
        monkeypatch.chdir(tmp_path)
        plan = submitting.plan(Script(Path("train.py")), Options(), harness.executor, Defaults(), check=False)
        assert set(plan.files) == {"small.txt"}
        said = [message for message in plan.messages if "was not sent" in message]
        assert [message.partition(",")[0] for message in said] == [".env", "big.bin", "model.ckpt", "tls.key"]
        assert "6.0 MB" in said[1]
        assert "--file big.bin" in said[1]
        assert str(tmp_path) not in json.dumps(plan.manifests, default=str)


def test_what_a_cancelled_job_wrote_beside_its_code_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for harness in EXECUTORS["fake"]():
        source = (
            "import time\nfrom pathlib import Path\n"
            "Path(__file__).with_name('out.txt').write_text('so far')\n"
            "print('written', flush=True)\ntime.sleep(600)\n"
        )
        project(tmp_path, {"train.py": source})
        monkeypatch.chdir(tmp_path)
        job, _ = submit(harness, Script(Path("train.py")))
        harness.until_printed(job.id, b"written")
        job.cancel()
        assert job.wait(60).state is JobState.CANCELLED
        assert {n: p.read_text() for n, p in job.files().items()} == {"out.txt": "so far"}
        cleaned = harness.executor.clean(older_than=0)
        assert cleaned.jobs == ()
        assert cleaned.kept == {job.id: ("out.txt",)}
        assert harness.executor.clean(older_than=0, files=True).jobs == (job.id,)


def test_clean_keeps_what_a_job_wrote_unless_it_is_told(tmp_path: Path) -> None:
    for harness in local_harness():
        executor = harness.executor
        assert isinstance(executor, LocalExecutor)
        saving, _ = submit(
            harness,
            Cell(
                "import os\nos.makedirs(os.environ['SOVLAB_CHECKPOINT'])\n"
                "open(os.path.join(os.environ['SOVLAB_CHECKPOINT'], 'step.pt'), 'w').write('x')",
                {},
            ),
        )
        other, _ = submit(harness, Cell("print(1)", {}))
        older = harness.submit("print(2)")  # as versions did that gave code a place of its own
        assert all(job.wait(60).state.ended for job in (saving, other))
        executor.wait(older, 60)
        beside = executor._store.job(older).path / "files" / "checkpoints" / "a.pt"
        beside.parent.mkdir(parents=True)
        beside.write_text("weights")
        would = executor.clean(older_than=0, dry_run=True)
        cleaned = executor.clean(older_than=0)
        assert would.kept == cleaned.kept
        assert cleaned.jobs == (other.id,)
        saved = executor._store.job(saving.id).path / "checkpoint" / "step.pt"
        assert cleaned.kept == {saving.id: (str(saved),), older: (str(beside),)}
        assert beside.exists()
        assert set(executor.clean(older_than=0, files=True).jobs) == {saving.id, older}
        assert not beside.exists()


# --- modules as the main program

PACKAGE = {
    "lab/__init__.py": "print('package', __name__, flush=True)\n",
    "lab/train.py": """
        import dataclasses, os, pickle, sys
        from . import helper
        from .sub.deep import VALUE
        from lab.helper import read
        @dataclasses.dataclass
        class Point:
            x: int
        if __name__ == "__main__":
            print(__name__, __package__, __spec__.name, os.path.basename(__file__), sys.argv[1:])
            print(os.path.samefile(sys.argv[0], __file__), VALUE, helper is sys.modules["lab.helper"], read())
            print(os.path.samefile(sys.path[0], os.path.dirname(os.path.dirname(__file__))))
            print(pickle.loads(pickle.dumps(Point(3))))
    """,
    "lab/helper.py": """
        from importlib.resources import files
        def read():
            return files(__package__).joinpath("data.txt").read_text()
    """,
    "lab/data.txt": "data of the package",
    "lab/sub/__init__.py": "",
    "lab/sub/deep.py": "from ..helper import read\nVALUE = read()[:4]\n",
    "lab/__main__.py": "from .helper import read\nprint(__spec__.name, __package__, read())\n",
    "lab/pool.py": """
        import multiprocessing
        from . import helper
        def work(n):
            return n, helper.read()
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1]))
    """,
    "single.py": """
        import lab.helper, sys
        print(__spec__.name, __package__ == "", sys.argv[1:], lab.helper.read())
    """,
    "space/tool.py": "print(__package__, __spec__.name)\n",
}


@pytest.mark.parametrize(
    "module", ["lab.train", "lab", "lab.pool", "single", "space.tool", "lab.__main__", "calendar"]
)
def test_a_module_runs_as_python_runs_it(
    module: str, place: tuple[str, Harness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, harness = place
    project(tmp_path, PACKAGE)
    arguments = ("2026", "2") if module == "calendar" else ("--lr", "0.1")
    expected = plain(tmp_path, "-m", module, *arguments)
    monkeypatch.chdir(tmp_path)
    job, _ = submit(harness, Module(module, arguments))
    assert job.logs(follow=True) == expected


def test_a_module_that_cannot_run_is_refused(
    place: tuple[str, Harness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, harness = place
    project(tmp_path, {"lab/__init__.py": "raise RuntimeError('imported')", "lab/bad.py": "def"})
    monkeypatch.chdir(tmp_path)
    for name in ("lab", "lab.missing", "nowhere.at.all"):
        with pytest.raises(SpecError, match=f"There is no module {name} to run here"):
            submit(harness, Module(name))
    with pytest.raises(SpecError, match="does not name a module"):
        submit(harness, Module("lab/bad.py"))
    with pytest.raises(SyntaxError):
        submit(harness, Module("lab.bad"))
