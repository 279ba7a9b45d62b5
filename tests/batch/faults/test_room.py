"""Disks without room, and a folder that may not be written: of the notebook, and of what a job shows."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys

import pytest

from sovlab.errors import ExecutorError
from tests.batch.conftest import Ended, Place


@contextlib.contextmanager
def small_disk(folder, size):
    """A disk of so many bytes at a folder; skips the test where none may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk):
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_run_outlives_the_room_for_its_notebook_and_is_fetched_without_running_anew(here, root, gate):
    here.write("print('first', flush=True)", gate.source, "print('y' * 600_000)", "print('last')")
    with small_disk(root / "disk", "300k") as disk:
        run = here.start(output=disk / "out.ipynb")
        gate.until_begun(run)
        fill(disk)
        gate.open()
        done = Ended(run)
        assert done.status == 1, done
        assert "out.ipynb cannot be written: No space left on device." in done.err
        assert done.err.count("The next save tries again.") == 1
        assert "make room, or name another output. The same command then fetches it" in done.err
        assert here.run(output=disk / "out.ipynb").status == 1
    elsewhere = here.run(output="else.ipynb")
    assert elsewhere.status == 0, elsewhere
    assert "The same run is there" in elsewhere.err
    assert here.texts("else.ipynb") == ["first\n", "", "y" * 600_000 + "\n", "last\n"]
    assert here.job("else.ipynb") in done.err


def test_a_failure_that_could_not_be_written_was_not_seen(here, root):
    here.write("print('y' * 600_000)", "1 / 0")
    with small_disk(root / "disk", "300k") as disk:
        done = here.run(output=disk / "out.ipynb")
    assert done.status == 1, done
    assert "The executed notebook cannot be written: No space left on device." in done.err
    elsewhere = here.run(output="else.ipynb")
    assert elsewhere.status == 1, elsewhere
    assert "The same run is there" in elsewhere.err
    assert here.texts("else.ipynb")[0] == "y" * 600_000 + "\n"
    assert "The same run" not in here.run(output="else.ipynb").err  # now it was


def test_a_job_without_room_for_what_it_shows_says_where_room_is_to_be_made(root):
    with small_disk(root / "state", "6m") as disk:
        place = Place(root, state=disk)
        place.write(
            "print('first', flush=True)",
            "import os\nfor i in range(20): print(os.urandom(300_000).hex(), flush=True)",
            "print('last')",
        )
        try:
            done = place.run()
            assert done.status == 1, done
            assert "cannot be kept where it runs: No space left on device." in done.err
            assert "on this machine sovlab clean forgets what has ended" in done.err
            assert place.texts()[0] == "first\n"
            assert place.texts()[2] == ""
            assert place.notebook()["cells"][2]["metadata"]["sovlab"] == {"status": "not run"}
            subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
            again = place.run()
            assert again.status == 0, again
            assert (len(place.texts()[1]), place.texts()[2]) == (20 * 600_001, "last\n")
        finally:
            place.stop_agent()


def test_nothing_begins_where_nothing_could_be_kept_of_it(root):
    with small_disk(root / "state", "6m") as disk:
        place = Place(root, state=disk)
        place.write("print('first', flush=True)")
        fill(disk)
        done = place.run()
        assert done.status == 3, done
        assert "Free some space on the disk of" in done.err
        assert not (place.work / "out.ipynb").exists()
        (disk / "filler").unlink()
        try:
            assert place.run().status == 0
        finally:
            place.stop_agent()
        assert place.texts() == ["first\n"]


def test_no_job_begins_of_which_it_could_not_be_kept_that_it_is_this_run(client, root, tmp_path):
    from sovlab.batch import runs
    from sovlab.client import Notebook
    from sovlab.options.job import Options

    jobs = len(client.jobs())
    with small_disk(root / "disk", "64k") as disk:
        fill(disk)
        kept = client.settings.state / "runs"
        kept.mkdir(parents=True, exist_ok=True)
        code = Notebook(cells=[], metadata={}, kernel="python3", label="in.ipynb", limits={})
        subprocess.run(["mount", "--bind", str(disk), str(kept)], check=True)
        try:
            with pytest.raises(ExecutorError, match=r"Nothing was submitted\..*sovlab clean"):
                runs.begin(client, code, Options())
        finally:
            subprocess.run(["umount", "-l", str(kept)], check=True)
    assert len(client.jobs()) == jobs


def test_a_folder_that_may_not_be_written_is_named_before_anything_runs(here):
    by = ()
    if os.geteuid() == 0:  # who may write anywhere, but for this
        by = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
        if shutil.which("setpriv") is None:
            pytest.skip("there is no setpriv to take root's right away")
    here.write("print('first')")
    folder = here.work / "closed"
    folder.mkdir(mode=0o555)
    done = here.run(output="closed/out.ipynb", by=by)
    assert done.status == 2, done
    assert "The output closed/out.ipynb may not be written. Name another, or change its rights." in done.err
    assert not any(here.state.glob("jobs/*"))
    folder.chmod(0o755)
    again = here.run(output="closed/out.ipynb", by=by)
    assert again.status == 0, again
    assert here.texts("closed/out.ipynb") == ["first\n"]


def test_papermill_itself_is_told_how_to_have_what_it_could_not_write(here, root):
    here.write("print('y' * 600_000)")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "--engine", "sovlab"]

    def papermill(output):
        return subprocess.run(
            [*command, str(output)], cwd=here.work, env=here.variables, capture_output=True, text=True
        )

    with small_disk(root / "disk", "300k") as disk:
        done = papermill(disk / "out.ipynb")
    assert (done.returncode, done.stdout) == (1, "")
    assert "has all of it: make room, or name another output." in done.stderr
    again = papermill("else.ipynb")
    assert again.returncode == 0, again.stderr
    assert "The same run is there" in again.stderr
    assert here.texts("else.ipynb") == ["y" * 600_000 + "\n"]
