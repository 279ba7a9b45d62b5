from __future__ import annotations

import base64
import sys

import pytest

from tests.runner.conftest import RunningJob

PNG = b"\x89PNG\r\n\x1a\n"


def plain(job: RunningJob) -> list[str]:
    return [bundle["data"]["text/plain"] for bundle in job.outputs]


RICH = """
class Rich:
    def __repr__(self): return "rich"
    def _repr_html_(self): return "<b>rich</b>"
    def _repr_png_(self): return b"\\x89PNG", {"width": 3}
"""


def test_the_display_protocol_without_ipython(job: RunningJob) -> None:
    job.run(RICH + "import sys\ndisplay(Rich(), 5)\nassert 'IPython' not in sys.modules\nRich()")
    first, second, last = job.outputs
    assert first == last
    assert first["data"] == {
        "text/html": "<b>rich</b>",
        "image/png": base64.b64encode(b"\x89PNG").decode(),
        "text/plain": "rich",
    }
    assert first["metadata"] == {"image/png": {"width": 3}}
    assert second["data"] == {"text/plain": "5"}
    assert job.output == b""


def test_a_mimebundle_goes_first(job: RunningJob) -> None:
    job.run(
        """
        class Both:
            def _repr_mimebundle_(self, include=None, exclude=None):
                return {"text/plain": "bundle", "application/vnd.x+json": {"a": [1]}}, {"m": 1}
            def _repr_html_(self): return "<i>"
        Both()
        """
    )
    (bundle,) = job.outputs
    assert bundle["data"] == {
        "text/plain": "bundle",
        "application/vnd.x+json": {"a": [1]},
        "text/html": "<i>",
    }
    assert bundle["metadata"] == {"m": 1}


def test_a_representation_that_fails_is_told_and_leaves_the_rest(job: RunningJob) -> None:
    record = job.run(
        "class Bad:\n    def __repr__(self): return 'bad'\n    def _repr_html_(self): 1 / 0\nBad()"
    )
    assert record["reason"] == "succeeded"
    assert plain(job) == ["bad"]
    assert "Bad._repr_html_ failed" in job.log
    assert "ZeroDivisionError" in job.log


def test_a_repr_that_fails_is_no_end_of_the_job(job: RunningJob) -> None:
    assert job.run("class Bad:\n    def __repr__(self): 1 / 0\nBad()")["reason"] == "succeeded"
    assert "Bad" in plain(job)[0]


def test_a_class_is_no_instance_of_itself(job: RunningJob) -> None:
    job.run(RICH + "Rich")
    assert plain(job) == ["<class '__main__.Rich'>"]


def test_ipythons_display_when_it_is_imported(job: RunningJob) -> None:
    pytest.importorskip("IPython")
    record = job.run(
        """
        from IPython.display import HTML, Markdown, clear_output, display, publish_display_data
        display(HTML("<p>gone</p>"))
        clear_output()
        handle = display(Markdown("*one*"), display_id="a")
        publish_display_data({"text/plain": "raw"})
        handle.update(HTML("<p>two</p>"))
        import IPython
        IPython.display.display(3)
        """
    )
    assert record["reason"] == "succeeded", job.log
    data = [bundle["data"] for bundle in job.outputs]
    assert data[0]["text/html"] == "<p>two</p>"
    assert data[1] == {"text/plain": "raw"}
    assert data[2] == {"text/plain": "3"}
    assert len(data) == 3
    assert job.output == b""


def test_clear_output_may_wait_for_the_next(job: RunningJob) -> None:
    pytest.importorskip("IPython")
    job.run("from IPython.display import clear_output\ndisplay(1)\nclear_output(wait=True)\ndisplay(2)")
    assert plain(job) == ["2"]


def test_figures_are_sent(job: RunningJob) -> None:
    pytest.importorskip("matplotlib")
    record = job.run(
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2]); plt.show()
        fig, ax = plt.subplots(figsize=(2, 2))
        display(fig)
        plt.figure();
        """
    )
    assert record["reason"] == "succeeded", job.log
    # The figure that was displayed by itself is not sent again at the end.
    assert len(job.outputs) == 3
    for bundle in job.outputs:
        assert base64.b64decode(bundle["data"]["image/png"]).startswith(PNG)
        assert bundle["data"]["text/plain"].startswith("<Figure size")
    assert job.output == b""


def test_figure_show_and_processes_beside_need_no_screen(job: RunningJob) -> None:
    pytest.importorskip("matplotlib")
    record = job.run(
        """
        import subprocess, sys
        import matplotlib.pyplot as plt
        fig, ax = plt.subplots()
        fig.show()
        subprocess.run([sys.executable, "-c", "import matplotlib.pyplot as p; p.figure()"], check=True);
        """,
        environ={"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    )
    assert record["reason"] == "succeeded", job.log
    assert len(job.outputs) == 1


def test_what_was_shown_is_kept_when_the_cell_fails_later(job: RunningJob) -> None:
    record = job.run("display('before')\n1 / 0")
    assert record["reason"] == "user_error"
    assert plain(job) == ["'before'"]


def test_what_was_shown_is_kept_when_time_is_over(job: RunningJob) -> None:
    record = job.run_out_of_time("import time\ndisplay('before')\nprint('ready')\ntime.sleep(60)")
    assert record["reason"] == "timeout"
    assert plain(job) == ["'before'"]


def test_outputs_have_a_limit_and_say_so(job: RunningJob) -> None:
    job.run(
        """
        class Big:
            def __repr__(self): return "big"
            def _repr_html_(self): return "x" * (11 << 20)
        display(Big())
        for i in range(2000):
            display(i)
        """
    )
    assert "text/html of 11534336 bytes was left out" in plain(job)[0]
    assert plain(job)[0].startswith("big")
    assert len(job.outputs) == 1001
    assert "1001 more outputs were left out" in plain(job)[-1]


def test_long_collections_are_laid_out(job: RunningJob) -> None:
    job.run("{f'key{i}': list(range(i)) for i in range(12)}")
    assert len(plain(job)[0].splitlines()) > 5


def test_a_script_displays_nothing_by_itself(job: RunningJob) -> None:
    job.run("1 + 1", kind="script")
    assert not (job.directory / "results.pack").exists()


def test_display_costs_no_ipython(job: RunningJob) -> None:
    record = job.run("import sys\ndisplay(1)\nassert not {'IPython', 'matplotlib'} & set(sys.modules)")
    assert record["reason"] == "succeeded", sys.version
