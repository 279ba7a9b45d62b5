"""images/build as a shell sees it, and the rules that the Containerfile keeps for all hardware."""

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
CONTAINERFILE = IMAGES / "runtime/Containerfile"
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


def arguments(backend):
    """What the hardware's file says, as ``podman build --build-arg-file`` reads it."""
    lines = (IMAGES / "runtime" / f"{backend}.args").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def instructions():
    """Instructions as ``(word, rest)``, without comments, continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", CONTAINERFILE.read_text()).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def expanded(text, values):
    """As builders do it: $NAME, ${NAME} and ${NAME:+text}; what the base may have set stays as it is."""
    text = re.sub(
        r"\$\{(\w+):\+((?:[^{}]|\{\w+\})*)\}", lambda found: found[2] if values[found[1]] else "", text
    )
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], found[0]), text)


def image(given):
    """What a build with these arguments does, in its order: ``{"FROM": …, "ENV HOME": …, "USER 1": …}``.

    An argument is known from its ARG on, and one from above FROM only once it is named again.
    """
    done, values, above = {}, {}, {}
    for word, rest in instructions():
        if word == "ARG":
            name, _, default = rest.partition("=")
            values[name] = given.get(name, default or above.get(name, ""))
            done[f"ARG {name}"] = values[name]
        elif word == "FROM":
            done[word] = expanded(rest, values)
            values, above = {}, values
        elif word in ("ENV", "LABEL"):
            for pair in shlex.split(rest):
                name, _, value = expanded(pair, values).partition("=")
                done[f"{word} {name}"] = value
        elif word == "RUN":  # its shell expands it, with what is known here
            done[f"RUN {rest}"] = dict(values)
        else:
            count = sum(key.startswith(f"{word} ") for key in done)
            done[f"{word} {count + 1}"] = expanded(rest, values)
    return done


# --- the script ---


def test_a_dry_run_prints_the_command_and_builds_nothing(tmp_path):
    # No tool at all is on this path, so that a build could only fail.
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "env", "dirname", "sed", "date"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    (command,) = planned("cuda", "--tag", "r/sovlab-cuda:1", env={"PATH": str(tmp_path / "bin")})
    assert command[:2] == ["buildah", "build"]
    assert command[command.index("--tag") + 1] == "r/sovlab-cuda:1"
    assert command[command.index("--file") + 1] == str(CONTAINERFILE)
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
    assert known["BASE_DIGEST"]
    assert known | arguments("cuda") == known
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
    (command,) = planned("cuda", "--tag", "x", "--index-url", "https://r/simple")
    assert "TORCH_INDEX_URL" not in build_args(command)  # the base brings torch


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_arguments_of_the_hardware_arrive_whole(backend):
    (command,) = planned(backend, "--tag", "x", "--unpinned")
    assert build_args(command) | arguments(backend) | {"BASE_DIGEST": ""} == build_args(command)
    (command,) = planned(backend, "--tag", "x", "--base", f"r/other:1@{PINNED}")
    own = {"BASE": "r/other:1", "BASE_DIGEST": PINNED}
    assert build_args(command) | arguments(backend) | own == build_args(command)


def test_another_torch_can_be_asked_for():
    (command,) = planned("xpu", "--tag", "x", "--unpinned", "--torch", "torch==2.12.0+xpu")
    assert build_args(command) | arguments("xpu") | {"TORCH": "torch==2.12.0+xpu"} == build_args(command)


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
        for other in ("bash", "env", "dirname", "sed", "date", "sh"):
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


# --- the Containerfile ---

DIGEST = "sha256:[0-9a-f]{64}"
FEDORA = r"registry\.fedoraproject\.org/fedora:\d+"

# What an image has of its own, as patterns. All else must be the same in all of them.
OWN = {
    "cpu": {
        "FROM": FEDORA,
        "ARG TORCH": r"torch==[\d.]+\+cpu",
        "ARG TORCH_INDEX_URL": r"https://download\.pytorch\.org/whl/cpu",
        "LABEL org.opencontainers.image.title": "sovlab runtime: CPU",
        "LABEL org.opencontainers.image.description": ".*, torch for the processor, .*",
        "LABEL org.opencontainers.image.licenses": "BSD-3-Clause AND LicenseRef-Fedora",
    },
    "cuda": {
        "FROM": rf"docker\.io/pytorch/pytorch:[\d.]+-cuda.*-runtime@{DIGEST}",
        "LABEL org.opencontainers.image.title": "sovlab runtime: CUDA",
        "LABEL org.opencontainers.image.description": ".*, torch for NVIDIA GPUs, .*",
        "LABEL org.opencontainers.image.licenses": "BSD-3-Clause AND LicenseRef-NVIDIA-CUDA-EULA",
    },
    "gaudi": {
        "FROM": r"vault\.habana\.ai/gaudi-docker/[\d.]+/ubuntu24\.04/.*:latest",
        "ENV HABANA_LOGS": r"/home/job/\.habana_logs",
        "LABEL org.opencontainers.image.title": "sovlab runtime: Gaudi",
        "LABEL org.opencontainers.image.description": ".*, torch for Intel Gaudi, .*",
        "LABEL org.opencontainers.image.licenses": "BSD-3-Clause AND LicenseRef-Intel-Gaudi",
    },
    "rocm": {
        "FROM": rf"docker\.io/rocm/pytorch:rocm.*@{DIGEST}",
        "LABEL org.opencontainers.image.title": "sovlab runtime: ROCm",
        "LABEL org.opencontainers.image.description": ".*, torch for AMD GPUs, .*",
        "LABEL org.opencontainers.image.licenses": "BSD-3-Clause AND MIT",
    },
    "xpu": {
        "FROM": FEDORA,
        "ARG TORCH": r"torch==[\d.]+\+xpu",
        "ARG TORCH_INDEX_URL": r"https://download\.pytorch\.org/whl/xpu",
        "ARG DNF_PACKAGES": "intel-compute-runtime .*",
        "LABEL org.opencontainers.image.title": "sovlab runtime: XPU",
        "LABEL org.opencontainers.image.description": ".*, torch for Intel GPUs, .*",
        "LABEL org.opencontainers.image.licenses": "BSD-3-Clause AND MIT AND .*Fedora AND .*Intel-oneAPI",
    },
}


def test_there_is_one_containerfile_and_one_file_of_arguments_per_backend():
    found = {path for path in IMAGES.rglob("*") if "containerfile" in path.name.lower()}
    assert found == {CONTAINERFILE, IMAGES / "workbench/Containerfile"}  # of jobs one, for all hardware
    assert sorted(path.stem for path in IMAGES.glob("runtime/*.args")) == sorted(BACKENDS)


def test_images_differ_only_in_what_their_hardware_needs():
    images = {backend: image(arguments(backend)) for backend in BACKENDS}
    keys = {key for one in images.values() for key in one if not key.startswith("RUN ")}
    differ = {key for key in keys if len({one.get(key) for one in images.values()}) > 1}
    own = {key for backend in BACKENDS for key in OWN[backend]}
    labels = {f"LABEL org.opencontainers.image.base.{name}" for name in ("name", "digest")}
    # Arguments that only say what FROM, the labels, ENV and the check then have.
    said = ("BACKEND", "BASE", "BASE_DIGEST", "TITLE", "DESCRIPTION", "LICENSES")
    said += ("VENDOR_ENV_NAME", "VENDOR_ENV_VALUE")
    assert differ == own | labels | {f"ARG {name}" for name in said}


def test_labels_say_what_it_is_and_is_made_of():
    names = "TITLE DESCRIPTION LICENSES SOURCE VERSION REVISION CREATED BASE BASE_DIGEST"
    made = image({name: f"the {name}" for name in names.split()})
    prefix = "LABEL org.opencontainers.image."
    labels = {key.removeprefix(prefix): value for key, value in made.items() if key.startswith("LABEL ")}
    keys = "title description licenses source version revision created base.name base.digest"
    assert labels == {key: f"the {name}" for key, name in zip(keys.split(), names.split(), strict=True)}


@pytest.mark.parametrize("backend", BACKENDS)
class TestImage:
    def test_it_has_what_its_hardware_needs_and_nothing_of_another(self, backend):
        made = image(arguments(backend))
        for key in {key for one in OWN.values() for key in one}:
            assert re.fullmatch(OWN[backend].get(key, ""), made.get(key, "")), key

    def test_its_arguments_are_plain_and_known(self, backend):
        lines = (IMAGES / "runtime" / f"{backend}.args").read_text().splitlines()
        # Builders take the rest of a line as it is: quotes would be part of the value.
        assert [line for line in lines if not re.fullmatch(r"#.*|[A-Z_]+=([^\s\"'].*[^\s\"']|)", line)] == []
        names = [line.partition("=")[0] for line in lines if line[0] != "#"]
        assert len(set(names)) == len(names)
        assert {f"ARG {name}" for name in names} <= set(image({}))
        assert arguments(backend)["BACKEND"] == backend

    def test_its_base_comes_from_arguments_and_has_a_fixed_tag(self, backend):
        given = arguments(backend)
        base, _, digest = image(given)["FROM"].partition("@")
        assert (base, digest) == (given["BASE"], given["BASE_DIGEST"])
        assert image(given | {"BASE": "r/other:1", "BASE_DIGEST": PINNED})["FROM"] == f"r/other:1@{PINNED}"
        host, _, name = base.partition("/")
        assert "." in host  # a short name is another image on each machine
        assert ":" in name
        assert re.fullmatch(f"({DIGEST})?", digest)

    def test_it_ends_as_a_number_that_is_not_root_with_group_0(self, backend):
        users = [value for key, value in image(arguments(backend)).items() if key.startswith("USER ")]
        assert re.fullmatch(r"[1-9]\d*:0", users[-1])  # runAsNonRoot needs a number

    def test_home_and_caches_are_where_group_0_writes(self, backend):
        made = image(arguments(backend))
        assert made["ENV HOME"] == "/home/job"
        for name in ("XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR"):
            assert made[f"ENV {name}"].startswith("/home/job/")
            assert f'"${name}"' in (IMAGES / "runtime/prepare").read_text()
        assert made["ENV USER"]
        assert made["ENV LOGNAME"]
        assert made["ENV LANG"] == "C.UTF-8"
        assert made["WORKDIR 1"] == "/work"

    def test_nothing_in_the_environment_is_empty(self, backend):
        made = image(arguments(backend))
        assert [key for key, value in made.items() if key.startswith("ENV ") and not value] == []

    def test_nothing_stands_between_the_cluster_and_the_runner(self, backend):
        made = image(arguments(backend))
        assert [value for key, value in made.items() if key.startswith("ENTRYPOINT ")] == ["[]"]
        assert made["STOPSIGNAL 1"] == "SIGTERM"

    def test_preparing_is_told_what_to_install(self, backend):
        given = arguments(backend) | {"PACKAGES": "gcc", "PIP_INDEX_URL": "https://r/simple"}
        ((_, known),) = [(key, known) for key, known in image(given).items() if "prepare" in key]
        for name in ("TORCH", "TORCH_INDEX_URL", "DNF_PACKAGES", "PACKAGES", "PIP_INDEX_URL"):
            assert known[name] == given.get(name, "")

    def test_it_is_checked_as_the_user_that_jobs_have(self, backend):
        made = image(arguments(backend))
        keys = list(made)
        last_user = max(at for at, key in enumerate(keys) if key.startswith("USER "))
        (check,) = (key for key in keys if key.startswith("RUN ") and "check.py" in key)
        assert keys.index(check) > last_user
        assert check.endswith(' "$BACKEND"')
        assert made[check]["BACKEND"] == backend
