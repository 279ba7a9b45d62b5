import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.names import MAX_ID, check_name, is_job_id, new_job_id, slug
from sovlab.core.spec import JobSpec, PayloadKind, Resources
from sovlab.errors import SpecError


def spec(**changes):
    return JobSpec(**{"name": "digits", "kind": PayloadKind.CELL, "payload": "0" * 64, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a\x1b[31m"},
        {"name": "n" * 101},
        {"nodes": 0},
        {"procs": -1},
        {"timeout": 0},
        {"timeout": -3.0},
        {"grace": -1},
        {"env": {"A B": "1"}},
        {"env": {"A": "\0"}},
        {"outputs": ("not a name",)},
        {"args": ("a\0b",)},
        {"queue": "../pods"},
        {"queue": "Fast Lane"},
        {"priority": "-"},
    ],
)
def test_a_request_out_of_range_is_refused_with_a_sentence(changes):
    with pytest.raises(SpecError) as caught:
        spec(**changes)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "changes", [{"cpu": 0}, {"cpu": -2}, {"cpu": float("nan")}, {"memory": 0}, {"memory": -1}, {"gpus": -1}]
)
def test_resources_out_of_range_are_refused(changes):
    with pytest.raises(SpecError):
        Resources(**changes)


def test_a_request_survives_json():
    before = spec(
        resources=Resources(cpu=2.5, memory=10**9, gpus=1), env={"A": "ä $HOME `x`"}, outputs=("a", "b")
    )
    assert msgspec.json.decode(msgspec.json.encode(before), type=JobSpec) == before


@given(st.text(max_size=200))
def test_every_name_makes_an_id_that_is_a_dns_label(name):
    made = new_job_id(name)
    assert is_job_id(made)
    assert len(made) <= MAX_ID
    assert slug(name).isascii()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "../x-aaaaaa",
        "x/aaaaaa",
        "X-aaaaaa",
        "x-aaaaaaa",
        "-aaaaaa",
        "a" * 44 + "-aaaaaa",
        "x-aaaaa\n",
    ],
)
def test_what_is_no_id_is_never_taken_for_a_file_name(text):
    assert not is_job_id(text)


def test_a_name_is_shown_with_its_spaces_folded():
    assert check_name("  Häuser   über\tallem ") == "Häuser über allem"


@pytest.mark.parametrize(
    ("size", "meant"),
    [("2", "2GiB"), (16, "16GiB"), ("2K", "2048MiB"), (4096, "4096MiB"), ("512k", "512MiB"), ("8M", "8GiB")],
)
def test_memory_in_which_no_python_starts_is_refused_with_what_may_have_been_meant(size, meant):
    from sovlab.options.job import from_keywords

    with pytest.raises(SpecError, match=rf"needs 16 MiB at least\. Did you mean {meant}\?"):
        from_keywords({"memory": size}).resources
    assert from_keywords({"memory": "16M"}).resources.memory == 16 << 20


@pytest.mark.parametrize(
    "changes",
    [
        {"energy_budget": 0},
        {"energy_budget": -5.0},
        {"energy_budget": float("nan")},
        {"energy_budget": float("inf")},
        {"energy_budget": True},
        {"max_temperature": 0},
        {"max_temperature": float("nan")},
        {"max_temperature": 900},
    ],
)
def test_limits_that_cannot_be_are_refused_with_the_flag(changes):
    (name,) = changes
    with pytest.raises(SpecError, match=f"--{name.replace('_', '-')} is"):
        JobSpec(name="a", kind=PayloadKind.CELL, payload="0" * 64, **changes)


def test_limits_are_given_as_text_or_as_numbers():
    from sovlab.options.job import from_keywords

    found = from_keywords({"energy_budget": "2kWh", "max_temperature": "85 °C"})
    assert (found.energy_budget, found.max_temperature) == (7.2e6, 85.0)
    found = from_keywords({"energy_budget": 500, "max_temperature": 85})
    assert (found.energy_budget, found.max_temperature) == (500, 85)
