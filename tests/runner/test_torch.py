from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import sovlab.torch  # noqa: E402
from sovlab.errors import BackendError  # noqa: E402


def test_the_processor_when_the_job_was_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOVLAB_DEVICE", "cpu")
    assert sovlab.torch.device() == torch.device("cpu")


def test_outside_of_a_job_what_torch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOVLAB_DEVICE", raising=False)
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    if not torch.backends.mps.is_available():
        assert sovlab.torch.device().type == expected


@pytest.mark.parametrize("given", ["cuda", "rocm", "xpu"])
def test_hardware_that_torch_does_not_see_is_an_error(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    kind = "xpu" if given == "xpu" else "cuda"
    if getattr(torch, kind).is_available():
        pytest.skip(f"this machine has {kind}")
    monkeypatch.setenv("SOVLAB_DEVICE", given)
    with pytest.raises(BackendError, match=given):
        sovlab.torch.device()


def test_gaudi_without_its_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("SOVLAB_DEVICE", "hpu")
    try:
        import habana_frameworks  # noqa: F401
    except ImportError:
        with pytest.raises(BackendError, match="Gaudi"):
            sovlab.torch.device()


def test_a_rank_takes_its_own_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator here")
    monkeypatch.setenv("SOVLAB_DEVICE", "rocm" if torch.version.hip else "cuda")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert sovlab.torch.device() == torch.device("cuda", 0)


def test_alone_there_is_nothing_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOVLAB_DEVICE", "cpu")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert sovlab.torch.init_distributed() == (0, 1, 0, torch.device("cpu"), "")
    assert not torch.distributed.is_initialized()
