"""images/build as a shell sees it, and the rules that all Containerfiles keep."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "images"
BACKENDS = ("cpu", "cuda", "gaudi", "rocm", "xpu")
PINNED = f"sha256:{'0' * 63}1"

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="images/build is a bash script")


def build(*args, env=None):
    return subprocess.run(
        [IMAGES / "build", *args],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
    )


def planned(*args, env=None):
    """The commands that a dry run prints, as lists of arguments."""
    done = build("--dry-run", *args, env=env)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


def build_args(command):
    pairs = [command[at + 1] for at, word in enumerate(command) if word == "--build-arg"]
    return dict(pair.split("=", 1) for pair in pairs)


def containerfile(backend):
    return (IMAGES / "runtime" / backend / "Containerfile").read_text()


def instructions(backend):
    """Instructions as ``(word, rest)``, without comments, continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", containerfile(backend)).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


# --- the script ---


def test_a_dry_run_prints_the_command_and_builds_nothing(tmp_path):
    # No tool at all is on this path, so that a build could only fail.
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "env", "dirname", "sed", "head", "date"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    (command,) = planned("cuda", "--tag", "r/sovlab-cuda:1", env={"PATH": str(tmp_path / "bin")})
    assert command[:2] == ["buildah", "build"]
    assert command[command.index("--tag") + 1] == "r/sovlab-cuda:1"
    assert command[command.index("--file") + 1] == str(IMAGES / "runtime/cuda/Containerfile")
    assert command[-1] == str(IMAGES / "runtime")


def test_help_names_every_backend_and_option():
    done = build("--help")
    assert done.returncode == 0
    script = (IMAGES / "build").read_text()
    for word in (*BACKENDS, *re.findall(r"^    (--[a-z-]+)\)", script, re.MULTILINE)):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "which BACKEND"),
        (["tpu", "--tag", "x"], "One of: cpu cuda gaudi rocm xpu"),
        (["../runtime/cpu", "--tag", "x"], "no backend"),
        (["cpu", "rocm"], "one BACKEND at a time"),
        (["cpu"], "--tag localhost/sovlab-cpu:dev"),
        (["cpu", "--tag"], "--tag needs a value"),
        (["cpu", "--tag", "--unpinned"], "--tag needs a value"),
        (["cpu", "--tag", "x", "--bogus"], "unknown option --bogus"),
        (["cpu", "--tag", "x"], "skopeo inspect"),
        (["cuda", "--tag", "x", "--base", "r/other:1"], "which r/other:1?"),
        (["cpu", "--tag", "x", "--digest", "sha256:abc"], "64 hexadecimal digits"),
        (["cpu", "--tag", "x", "--digest", PINNED, "--unpinned"], "exclude each other"),
        (["cpu", "--tag", "x", "--base", f"r/a:1@{PINNED}", "--digest", "sha256:2"], "different digests"),
        (["cuda", "--tag", "x", "--torch", "torch==2.13.0"], "--base"),
        (["cpu", "--tag", "x", "--unpinned", "--index-url", "https://me:secret@r/simple"], "--pip-conf"),
        (["cpu", "--tag", "x", "--unpinned", "--pip-conf", "/nowhere/pip.conf"], "cannot read"),
    ],
)
def test_a_wrong_request_is_2_and_says_what_to_do(args, says):
    done = build("--dry-run", *args)
    assert done.returncode == 2
    assert says in done.stderr
    assert "secret" not in done.stderr
    assert done.stdout == ""


def test_a_known_digest_holds_for_the_base_it_is_of():
    (command,) = planned("cuda", "--tag", "x")
    known = build_args(command)
    assert known["BASE_DIGEST"] in containerfile("cuda")
    assert known["BASE"] in containerfile("cuda")
    (command,) = planned("cuda", "--tag", "x", "--unpinned")
    assert build_args(command)["BASE_DIGEST"] == ""
    (command,) = planned("cuda", "--tag", "x", "--base", f"r/other:1@{PINNED}")
    assert build_args(command) | {"BASE": "r/other:1", "BASE_DIGEST": PINNED} == build_args(command)


def test_an_index_of_the_site_replaces_all_others():
    (command,) = planned("cpu", "--tag", "x", "--unpinned")
    given = build_args(command)
    assert given["TORCH_INDEX_URL"].endswith("/whl/cpu")
    assert "PIP_INDEX_URL" not in given
    (command,) = planned("cpu", "--tag", "x", "--unpinned", "--index-url", "https://r/simple")
    given = build_args(command)
    assert (given["PIP_INDEX_URL"], given["TORCH_INDEX_URL"]) == ("https://r/simple", "https://r/simple")
    (command,) = planned(
        "cpu", "--tag=x", "--unpinned", "--index-url=https://r/simple", "--torch-index-url=https://r/cpu"
    )
    assert build_args(command)["TORCH_INDEX_URL"] == "https://r/cpu"


def test_settings_of_pip_are_lent_as_a_secret(tmp_path):
    conf = tmp_path / "pip.conf"
    conf.write_text("[global]\nindex-url = https://me:password@r/simple\n")
    (command,) = planned("cpu", "--tag", "x", "--unpinned", "--pip-conf", str(conf))
    assert command[command.index("--secret") + 1] == f"id=pip.conf,src={conf}"
    assert build_args(command)["TORCH_INDEX_URL"] == ""
    assert "password" not in " ".join(command)


def test_values_with_spaces_and_arguments_for_the_tool_arrive_whole():
    (command,) = planned(
        "cpu",
        "--tag",
        "x",
        "--unpinned",
        "--packages",
        "gcc-c++ python3-devel",
        "--",
        "--volume",
        "/a b:/c:ro",
    )
    assert build_args(command)["PACKAGES"] == "gcc-c++ python3-devel"
    assert command[-3:-1] == ["--volume", "/a b:/c:ro"]


def test_times_come_from_source_date_epoch():
    (command,) = planned("cuda", "--tag", "x", env={"SOURCE_DATE_EPOCH": "1700000000"})
    assert command[command.index("--timestamp") + 1] == "1700000000"
    assert build_args(command)["CREATED"] == "2023-11-14T22:13:20Z"
    done = build("cuda", "--tag", "x", "--dry-run", env={"SOURCE_DATE_EPOCH": "today"})
    assert done.returncode == 2
    assert "SOURCE_DATE_EPOCH" in done.stderr


@pytest.fixture
def tool(tmp_path):
    """A path whose builder writes down how it was called; build and push end with the given status."""

    def make(name, *, build=0, push=0):
        path = tmp_path / "tools"
        path.mkdir(exist_ok=True)
        (path / name).write_text(
            f'#!/bin/sh\necho "{name} $1 epoch=$SOURCE_DATE_EPOCH" >>{tmp_path}/calls\n'
            f"case $1 in build) exit {build} ;; push) exit {push} ;; esac\n"
        )
        (path / name).chmod(0o755)
        for other in ("bash", "env", "dirname", "sed", "head", "date", "sh"):
            if not (path / other).exists():
                (path / other).symlink_to(shutil.which(other))
        return {"PATH": str(path), "SOURCE_DATE_EPOCH": "1700000000"}

    make.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return make


@pytest.mark.parametrize("names", [("podman",), ("buildah",), ("podman", "buildah")])
def test_buildah_or_podman_builds_then_pushes(tool, names):
    for name in names:
        env = tool(name)
    done = build("cuda", "--tag", "x", "--push", "r/x:1", env=env)
    assert done.returncode == 0, done.stderr
    # Newer ones would refuse to be told the time twice.
    assert tool.calls() == [f"{names[-1]} build epoch=", f"{names[-1]} push epoch="]


def test_what_fails_to_build_is_1_and_is_not_pushed(tool):
    done = build("cuda", "--tag", "x", "--push", "r/x:1", env=tool("podman", build=125))
    assert done.returncode == 1
    assert "podman build failed" in done.stderr
    assert len(tool.calls()) == 1
    assert build("cuda", "--tag", "x", "--push", "r/x:1", env=tool("podman", push=125)).returncode == 1


def test_without_a_builder_the_message_says_what_to_install(tool):
    done = build("cuda", "--tag", "x", env=tool("other"))
    assert done.returncode == 1
    assert "dnf install buildah" in done.stderr


# --- what asks whether an image is fit ---


def fitness(tmp_path, backend, **env):
    """What check.py finds wrong in this environment, which has all that an image has."""
    places = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TMPDIR")}
    places |= {name: str(tmp_path) for name in ("TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR")}
    done = subprocess.run(
        [sys.executable, IMAGES / "runtime/check.py", backend],
        capture_output=True,
        text=True,
        timeout=170,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "USER": "job", "LOGNAME": "job", **places, **env},
    )
    assert done.returncode == (0 if done.stdout.startswith("Fit for jobs") else 1), done.stderr
    # Tests may run as root; images must not.
    return [line for line in done.stdout.splitlines() if "as root" not in line and "Fit for jobs" not in line]


@pytest.mark.skipif(not shutil.which("ps"), reason="this machine lacks what an image must have")
def test_check_finds_nothing_wrong_where_all_is_well(tmp_path):
    assert fitness(tmp_path, "cpu") == []


def test_check_names_what_cannot_be_written_or_imported(tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/papermill.py").write_text("raise OSError('broken')")
    found = fitness(
        tmp_path,
        "rocm",
        HOME="/nowhere",
        TRITON_CACHE_DIR="",
        PYTHONPATH=str(tmp_path / "hidden"),
        PATH="/nowhere",
        SSL_CERT_FILE="/nowhere",
        SSL_CERT_DIR="/nowhere",
    )
    text = "\n".join(found)
    assert "HOME (/nowhere) cannot be written: No such file or directory." in text
    assert "TRITON_CACHE_DIR (not set) cannot be written" in text
    assert "import papermill: OSError: broken" in text
    assert "There is no ps" in text
    assert "There are no CA certificates" in text
    assert "was not built for rocm" in text
    assert len(found) == 6


# --- the Containerfiles ---


def test_there_is_one_image_per_backend():
    assert sorted(path.parent.name for path in IMAGES.glob("runtime/*/Containerfile")) == sorted(BACKENDS)


def test_containerfiles_differ_only_above_the_line():
    line = "# --- From here on the same in all images"
    tails = {containerfile(backend).partition(line)[2] for backend in BACKENDS}
    assert len(tails) == 1
    assert tails.pop()


@pytest.mark.parametrize("backend", BACKENDS)
class TestContainerfile:
    def test_the_base_comes_from_arguments_and_its_tag_is_fixed(self, backend):
        words = instructions(backend)
        assert [rest for word, rest in words if word == "FROM"] == ["${BASE}${BASE_DIGEST:+@${BASE_DIGEST}}"]
        given = dict(rest.partition("=")[::2] for word, rest in words[:2] if word == "ARG")
        host, _, name = given["BASE"].partition("/")
        assert "." in host  # a short name is another image on each machine
        assert ":" in name
        assert re.fullmatch(r"(sha256:[0-9a-f]{64})?", given["BASE_DIGEST"])

    def test_it_ends_as_a_number_that_is_not_root_with_group_0(self, backend):
        users = [rest for word, rest in instructions(backend) if word == "USER"]
        assert re.fullmatch(r"[1-9]\d*:0", users[-1])  # runAsNonRoot needs a number

    def test_home_and_caches_are_where_group_0_writes(self, backend):
        env = dict(
            pair.split("=", 1)
            for word, rest in instructions(backend)
            if word == "ENV"
            for pair in shlex.split(rest)
        )
        assert env["HOME"] == "/home/job"
        for name in ("XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR"):
            assert env[name].startswith("/home/job/")
            assert f'"${name}"' in (IMAGES / "runtime/prepare").read_text()
        assert env["USER"]
        assert env["LOGNAME"]
        assert ("WORKDIR", "/work") in instructions(backend)

    def test_nothing_stands_between_the_cluster_and_the_runner(self, backend):
        words = instructions(backend)
        assert [rest for word, rest in words if word == "ENTRYPOINT"] == ["[]"]
        assert ("STOPSIGNAL", "SIGTERM") in words

    def test_labels_say_what_it_is_and_is_made_of(self, backend):
        words = instructions(backend)
        labels = dict(
            pair.split("=", 1) for word, rest in words if word == "LABEL" for pair in shlex.split(rest)
        )
        arguments = {rest.partition("=")[0] for word, rest in words if word == "ARG"}
        names = "title description licenses source version revision created base.name base.digest"
        for name in names.split():
            value = labels.pop(f"org.opencontainers.image.{name}")
            assert value.startswith("$")
            assert value[1:] in arguments
        assert not labels

    def test_it_is_checked_as_the_user_that_jobs_have(self, backend):
        words = instructions(backend)
        last_user = max(at for at, (word, _) in enumerate(words) if word == "USER")
        checks = [at for at, (word, rest) in enumerate(words) if word == "RUN" and "check.py" in rest]
        assert checks
        assert checks[0] > last_user
