from __future__ import annotations

import pytest

from sovlab.backends import choose
from sovlab.core.backend import Detection, Device
from sovlab.core.capacity import Capacity
from sovlab.errors import BackendError


def offer(name, total, free, why="Looked and found none."):
    devices = tuple(Device(index=i) for i in range(int(total or 0)))
    found = Detection(backend=name, devices=devices, why=why)
    return Capacity(detection=found, total=total, free=free, queued=0, source="test")


CPU = offer("cpu", 8, 8)
NONE = [CPU, offer("cuda", 0, 0, "No NVIDIA driver is loaded."), offer("rocm", 0, 0)]


@pytest.mark.parametrize(
    ("requested", "gpus", "offers", "name", "why"),
    [
        ("auto", 0, NONE, "cpu", "cpu, because no accelerator was found here."),
        ("auto", 0, [CPU, offer("cuda", 2, 1)], "cuda", "cuda, because 1 of 2 GPUs is free."),
        ("auto", 0, [CPU, offer("rocm", 8, 3)], "rocm", "rocm, because 3 of 8 GPUs are free."),
        ("auto", 0, [CPU, offer("hpu", 1, 1)], "hpu", "hpu, because 1 of 1 GPU is free."),
        (
            "auto",
            0,
            [CPU, offer("cuda", 2, 0)],
            "cpu",
            "cpu, because no accelerator is free (cuda: 0 of 2 GPUs are free).",
        ),
        (
            "auto",
            2,
            [CPU, offer("cuda", 1, 1), offer("rocm", 4, 2)],
            "rocm",
            "rocm, because 2 of 4 GPUs are free.",
        ),
        (
            "auto",
            2,
            [CPU, offer("cuda", 2, 0)],
            "cuda",
            "cuda, because it has what --gpus 2 asks for; 0 of 2 GPUs are free.",
        ),
        ("auto", 0, [CPU, offer("cuda", None, None)], "cpu", None),
        (
            "auto",
            1,
            [CPU, offer("cuda", None, None)],
            "cuda",
            "cuda, because it has what --gpus 1 asks for; how many GPUs are free is not known.",
        ),
        ("cpu", 0, NONE, "cpu", "cpu, as requested."),
        ("cuda", 0, [CPU, offer("cuda", 2, 0)], "cuda", "cuda, as requested; 0 of 2 GPUs are free."),
        ("cuda", 9, [CPU, offer("cuda", None, None)], "cuda", None),
    ],
)
def test_the_choice_and_its_reason(requested, gpus, offers, name, why):
    backend, reason = choose(requested, gpus, offers)
    assert backend.name == name
    if why is not None:
        assert reason == why


@pytest.mark.parametrize(
    ("requested", "gpus", "offers", "says"),
    [
        ("cpu", 1, NONE, "Backend cpu has no GPUs, but --gpus asks for 1"),
        ("cuda", 1, NONE, "No NVIDIA driver is loaded"),
        ("cuda", 0, NONE, "This target has no NVIDIA CUDA device"),
        ("xpu", 0, NONE, "This target has no backend xpu"),
        (
            "cuda",
            3,
            [CPU, offer("cuda", 2, 2)],
            "--gpus asks for 3, but backend cuda has only 2 on this target",
        ),
        ("auto", 1, NONE, "no accelerator was found here"),
        (
            "auto",
            4,
            [CPU, offer("cuda", 2, 2), offer("rocm", 3, 3)],
            "the most of one kind on this target is 3",
        ),
        ("cudda", 0, NONE, "Did you mean cuda"),
        ("nvidia", 0, NONE, "Did you mean cuda?"),
        ("AMD", 0, NONE, "Did you mean rocm?"),
        ("intel", 0, NONE, "Did you mean xpu or hpu?"),
        ("gaudi", 0, NONE, "Did you mean hpu?"),
        ("cuda:0", 0, NONE, "Did you mean cuda?"),
        ("gpu", 0, NONE, "xpu is Intel XPU, hpu is Intel Gaudi.*This target has no accelerator, only cpu"),
        ("gpu", 0, [CPU, offer("cuda", 2, 1)], r"This target has cuda \(1 of 2 GPUs is free\)"),
        ("gpu", 0, [CPU, offer("cuda", None, None)], "Which accelerators this target has is not known"),
    ],
)
def test_what_cannot_be_had_is_one_sentence_with_what_to_do(requested, gpus, offers, says):
    with pytest.raises(BackendError, match=says) as caught:
        choose(requested, gpus, offers)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["gpu", "GPU", "tpu", "mps", "metal", "opencl"])
def test_what_is_no_backend_of_ours_is_taken_for_none(name):
    with pytest.raises(BackendError) as caught:
        choose(name, 0, NONE)
    assert "Did you mean" not in str(caught.value)
    assert "cuda is NVIDIA CUDA, rocm is AMD ROCm" in caught.value.hint
