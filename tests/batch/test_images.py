"""What runs have told of their images: the next that cannot run there is told so before it waits."""

from __future__ import annotations

import dataclasses
import json

import pytest

from sovlab.batch import images
from sovlab.core.job import JobRecord, JobState, JobStatus
from tests.batch.conformance.engines import read, write
from tests.batch.test_engine_on_cluster import cluster, ended, papermill  # noqa: F401 - fixtures

DIGEST = "sha256:" + "a" * 64
NAMED, PINNED = "registry.site:5000/lab/torch:1", f"registry.site:5000/lab/torch:1@{DIGEST}"


@pytest.fixture
def record():
    status = JobStatus(state=JobState.FAILED, image=PINNED)
    return JobRecord(id="first-abc", target="site", spec=None, status=status)


def keep(path, record, kernels=None, lacking=()):
    images.keep(
        path, record, NAMED, {"kernels": {"ir": "R"} if kernels is None else kernels, "lacking": [*lacking]}
    )


@pytest.mark.parametrize("image", [PINNED, f"registry.site:5000/lab/torch@{DIGEST}"])
def test_what_a_digest_names_is_refused(tmp_path, record, image):
    keep(tmp_path, record)
    with pytest.raises(images.Unfit, match="There is no kernel 'python3' where the job runs; there: ir"):
        images.check(tmp_path, "site", image, "python3", "python", pytest.fail)


def test_what_it_lacks_is_told_by_name(tmp_path, record):
    keep(tmp_path, record, {}, ["nbclient", "jupyter_client"])
    with pytest.raises(images.Unfit, match="it has no nbclient, jupyter_client") as caught:
        images.check(tmp_path, "site", PINNED, "python3", "python", pytest.fail)
    assert not caught.value.kernel


def test_of_a_name_that_may_be_anothers_people_are_only_told(tmp_path, record):
    keep(tmp_path, record)
    told = []
    images.check(tmp_path, "site", NAMED, "python3", "python", told.append)
    assert len(told) == 1
    assert f"Job first-abc ran in image {NAMED}. There is no kernel 'python3'" in told[0]
    keep(tmp_path, record, {"python3": "python"})  # it was built anew
    images.check(tmp_path, "site", NAMED, "python3", "python", pytest.fail)


@pytest.mark.parametrize(
    ("target", "image", "kernel", "language"),
    [
        ("site", PINNED, "ir", ""),
        ("site", PINNED, "laptop", "R"),  # the only one of its language
        ("other", PINNED, "python3", "python"),
        ("site", PINNED.replace("a", "b"), "python3", "python"),
        ("site", "", "python3", "python"),
    ],
)
def test_what_may_run_there_is_not_held_up(tmp_path, record, target, image, kernel, language):
    keep(tmp_path, record)
    images.check(tmp_path, target, image, kernel, language, pytest.fail)


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"kernels": [], "lacking": []},
        {"kernels": {}, "lacking": "all"},
        {"kernels": {1: None}, "lacking": [None]},
    ],
)
def test_a_job_that_tells_nonsense_hinders_none(tmp_path, record, place):
    images.keep(tmp_path, record, NAMED, place)
    images.check(tmp_path, "nowhere", PINNED, "python3", "python", pytest.fail)


def test_of_a_job_without_an_image_and_of_a_damaged_file_nothing_is_known(tmp_path, record):
    keep(tmp_path, dataclasses.replace(record, status=JobStatus(state=JobState.FAILED)))
    assert not (tmp_path / "images").exists()
    keep(tmp_path, record)
    for number, path in enumerate(sorted((tmp_path / "images").iterdir())):
        path.write_text(["[", '{"job": 1, "kernels": {}, "lacking": []}'][number])
    for image in (PINNED, NAMED):
        images.check(tmp_path, "site", image, "python3", "python", pytest.fail)


def names(cluster):  # noqa: F811
    items = cluster.api.get("/apis/batch/v1/namespaces/research/jobs")["items"]
    return sorted(job["metadata"]["name"] for job in items)


def test_the_second_run_is_not_submitted(papermill, cluster, tmp_path):  # noqa: F811
    """The first has to find out."""
    settings = tmp_path / "config.toml"
    settings.write_text(settings.read_text().replace("sovlab-cpu:1", f"sovlab-cpu@{DIGEST}"))
    write(papermill.work, "print(1)")
    path = papermill.work / "in.ipynb"
    python = path.read_text()
    notebook = read(path)
    notebook["metadata"] = {"kernelspec": {"name": "nosuch", "language": "fortran", "display_name": "F"}}
    path.write_text(json.dumps(notebook))
    status, _, err = ended(papermill("out.ipynb"))
    assert (status, "There is no kernel 'nosuch' where the job runs" in err) == (1, True), err
    jobs = names(cluster)
    status, _, err = ended(papermill("out.ipynb"))
    assert (status, "There is no kernel 'nosuch' where the job runs" in err) == (1, True), err
    assert "NoSuchKernel" in err
    assert names(cluster) == jobs
    assert read(papermill.work / "out.ipynb")["cells"][0]["outputs"] == []
    path.write_text(python)
    assert ended(papermill("out.ipynb"))[0] == 0
