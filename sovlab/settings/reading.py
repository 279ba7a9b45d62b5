"""Reading settings: files and variables in order, each value checked and its source kept."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sovlab import codec
from sovlab.core.units import parse_bytes, parse_duration
from sovlab.errors import SettingsError, SpecError
from sovlab.settings import trusting
from sovlab.settings.model import FORECAST_KINDS, Defaults, Forecast, Local, Settings, Site, Target
from sovlab.settings.places import place_of
from sovlab.settings.targets import flat_keys, note_sources, read_target
from sovlab.settings.words import suggest

PROJECT_FILE = "sovlab.toml"


class _Key(msgspec.Struct, frozen=True):
    """What a key may hold: its type, what to write, and how text becomes the value."""

    type: Any
    advice: str
    parse: Callable[[str], Any] | None = None


_Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
_Bytes = Annotated[int, msgspec.Meta(gt=0)]
_Word = Annotated[str, msgspec.Meta(min_length=1)]
_Pue = Annotated[float, msgspec.Meta(ge=1, le=5)]
_Grams = Annotated[float, msgspec.Meta(ge=0, le=1e5)]
_Price = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_LONGEST_CURRENCY = 8


def _currency(text: str) -> str:
    if len(text) > _LONGEST_CURRENCY or not all(c.isalpha() or unicodedata.category(c) == "Sc" for c in text):
        raise SpecError(f"{text!r} is not a currency.")
    return text


def _kind(text: str) -> str:
    if text not in FORECAST_KINDS:
        raise SpecError(f"{text!r} is not a kind of forecast.")
    return text


def _label(text: str) -> str:
    if len(text) > 40 or not text.isprintable():
        raise SpecError(f"{text!r:.60} is too long to be shown.")
    return text


_KEYS = {
    "target": _Key(_Word, "Give the name of a target."),
    "local.cores": _Key(_Positive, "Give a number of cores greater than zero."),
    "local.memory": _Key(_Bytes | str, 'Write it like "16G", or a number of bytes.', parse_bytes),
    "local.keep_days": _Key(_NotNegative, "Give a number of days, zero or more."),
    "local.idle_minutes": _Key(_NotNegative, "Give a number of minutes, zero or more."),
    "local.python": _Key(_Word, 'Give the path of an interpreter, like ".venv/bin/python".'),
    "defaults.backend": _Key(_Word, 'Give "auto" or the name of a backend.'),
    "defaults.timeout": _Key(_Positive | str, 'Write it like "2h", or a number of seconds.', parse_duration),
    "defaults.grace": _Key(
        _NotNegative | str, 'Write it like "30s", or a number of seconds.', parse_duration
    ),
    "site.carbon_intensity": _Key(_Grams, "Give gCO2e for each kWh of the site's electricity, like 350."),
    "site.pue": _Key(_Pue, "Give the energy of the facility for that of its IT, from 1 to 5, like 1.3."),
    "site.tariff": _Key(_Price, "Give what a kWh costs, zero or more, like 0.25."),
    "site.currency": _Key(_Word, 'Give a currency in at most 8 letters, like "EUR".', _currency),
    "site.embodied": _Key(
        _Grams, "Give gCO2e of making an accelerator for each hour of its use, zero or more."
    ),
    "forecast.file": _Key(_Word, "Give the path of a CSV or JSON file."),
    "forecast.query": _Key(_Word, "Give PromQL for the target's Prometheus."),
    "forecast.kind": _Key(_Word, f"There are {', '.join(FORECAST_KINDS)}.", _kind),
    "forecast.name": _Key(_Word, 'Say what it is in at most 40 letters, like "grid carbon".', _label),
    "forecast.unit": _Key(_Word, 'Give the unit in at most 40 letters, like "gCO2e/kWh".', _label),
    "forecast.step": _Key(_Positive | str, 'Write it like "30m", or a number of seconds.', parse_duration),
}
_SECTIONS = ("local", "defaults", "site", "forecast")
_VARIABLES = {"SOVLAB_" + key.upper().replace(".", "_"): key for key in _KEYS}
_PREFIXES = tuple(f"SOVLAB_{name.upper()}_" for name in _SECTIONS)
_PLACES = ("SOVLAB_STATE_DIR", "SOVLAB_CONFIG_FILE")


def load(directory: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that apply in a directory.

    Args:
        directory: where the search for ``sovlab.toml`` begins; None is the working directory.
        environ: None is the process's environment.

    Raises:
        SettingsError: a file or variable is wrong; the message names it, the key and, in a file, the line.
    """
    env, brought = _without_dotenv(os.environ if environ is None else environ, directory)
    state = _state(env)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    targets = {"local": Target(name="local")}
    outdated: list[str] = []
    project, ignored = _project_file(directory)
    if project == config_file(env):
        project = None
    for path in (config_file(env), project):
        content = read(path) if path is not None else ""
        if path is not None and content:
            document = parse(content, path)
            if path is project and not trusting.is_trusted(state, path, content):
                document, keys = trusting.unasked(document, targets)
                brought += [trusting.Brought(path, keys)] if keys else []
            for key, value in _flatten(document, path, content, targets):
                values[key] = _absolute(key, value, path.parent)
                sources[key] = place_of(path, content, key)
            note_sources(document, path, content, sources)
            outdated += flat_keys(document, path, content)
    for key, value in _from_environment(env):
        values[key] = _absolute(key, value, directory)
        sources[key] = "SOVLAB_" + key.upper().replace(".", "_")
    sections: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        if section:
            sections[section][name] = value
    _check_site(sections["site"], sources)
    _check_forecast(sections["forecast"], sources)
    return Settings(
        state=state,
        key_file=config_file(env).with_name("signing.key"),
        target=values.get("target", "local"),
        local=Local(**sections["local"]),
        defaults=Defaults(**sections["defaults"]),
        site=Site(**sections["site"]),
        forecast=Forecast(**sections["forecast"]) if sections["forecast"] else None,
        targets=targets,
        sources=sources,
        ignored=(*ignored, *(each.sentence for each in brought)),
        files=_files(env, state, directory, project),
        brought=tuple(brought),
        outdated=tuple(outdated),
    )


def _files(
    env: Mapping[str, str], state: Path, directory: Path | None, project: Path | None
) -> tuple[Path, ...]:
    """What a change of the settings changes: their files, and the folder with what is trusted."""
    found = [config_file(env), state / trusting.FOLDER]
    try:
        folder = (directory or Path.cwd()).absolute()
    except OSError:  # the working directory is gone
        return tuple(found)
    dotenv = trusting.dotenv_of(directory)
    found.append(project if project is not None else folder / PROJECT_FILE)
    found.append(dotenv[0] if dotenv is not None else folder / trusting.ENV_FILE)
    return tuple(found)


def config_file(environ: Mapping[str, str] | None = None) -> Path:
    """The user's settings file; it need not exist."""
    named = (os.environ if environ is None else environ).get("SOVLAB_CONFIG_FILE")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_config_path("sovlab") / "config.toml"


def _state(env: Mapping[str, str]) -> Path:
    named = env.get("SOVLAB_STATE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_state_path("sovlab")


def _without_dotenv(
    env: Mapping[str, str], directory: Path | None
) -> tuple[Mapping[str, str], list[trusting.Brought]]:
    """An environment without what the folder has put there and nobody has trusted."""
    found = trusting.dotenv_of(directory)
    if found is None:
        return env, []
    names = trusting.of_dotenv(found[1], env)
    rest = {name: value for name, value in env.items() if name not in names}
    if not names or trusting.is_trusted(_state(rest), *found):
        return env, []
    return rest, [trusting.Brought(found[0], names)]


def brought_files(directory: Path | None = None) -> list[tuple[Path, str]]:
    """The files of a folder, with their contents, for whose settings it takes the user's trust."""
    project, _ = _project_file(directory)
    files = [(project, read(project))] if project is not None and project != config_file() else []
    dotenv = trusting.dotenv_of(directory)
    return [*files, *([dotenv] if dotenv is not None else [])]


def _project_file(directory: Path | None) -> tuple[Path | None, tuple[str, ...]]:
    try:
        start = (directory or Path.cwd()).absolute()
        for folder in (start, *start.parents):
            path = folder / PROJECT_FILE
            if path.is_file():
                owner = path.stat().st_uid
                # Another user's file in a shared folder above, such as /tmp, must not choose what runs here.
                if owner in (0, os.getuid(), start.stat().st_uid):
                    return path, ()
                return None, (f"{path} was ignored: it belongs to another user (uid {owner}).",)
    except OSError:
        pass  # the working directory is gone
    return None, ()


def read(path: Path) -> str:
    """The text of a settings file; empty if there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Settings file {path} could not be read: {error}.", "Repair it.") from error


def parse(content: str, path: Path) -> dict[str, Any]:
    """The TOML document in ``content``, which was read from ``path``."""
    import tomllib

    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"Settings file {path} is not valid TOML: {error}.", "Correct that line."
        ) from error


def _flatten(
    document: Mapping[str, Any], path: Path, content: str, targets: dict[str, Target]
) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if name == "targets" and isinstance(value, dict):
            for target, table in value.items():
                targets[target] = read_target(target, table, path, content)
        elif name in _SECTIONS and isinstance(value, dict):
            for inner, each in value.items():
                key = f"{name}.{inner}"
                yield key, _value(key, each, place_of(path, content, key))
        else:
            yield name, _value(name, value, place_of(path, content, name))


def _value(key: str, value: Any, place: str, *, text: bool = False) -> Any:
    known = _KEYS.get(key)
    if known is None:
        names = [*_KEYS, "targets"]
        near = suggest(key, {*names, *_SECTIONS} - {key})
        raise SettingsError(f"{place}: there is no setting {key!r}.", f"{near}There are {', '.join(names)}.")
    try:
        checked = codec.convert(value, known.type, strict=not text)
        return known.parse(checked) if known.parse is not None and isinstance(checked, str) else checked
    except (msgspec.ValidationError, SpecError) as error:
        raise SettingsError(f"{place}: {key} is {value!r}.", known.advice) from error


def _from_environment(env: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for variable in sorted(name for name in env if name.startswith("SOVLAB_")):
        if variable in _VARIABLES:
            if env[variable]:
                key = _VARIABLES[variable]
                yield key, _value(key, env[variable], f"Environment variable {variable}", text=True)
        elif variable not in _PLACES:
            import difflib

            near = difflib.get_close_matches(variable, (*_VARIABLES, *_PLACES), 1, 0.85)
            # Others may use the prefix for what is no setting, as jobs do; a slip of the pen is refused.
            if near or variable.startswith(_PREFIXES):
                raise SettingsError(
                    f"Environment variable {variable} is not a setting.",
                    f"Did you mean {near[0]}?" if near else f"There are {', '.join(_VARIABLES)}.",
                )


def _check_site(site: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """What a kWh costs means nothing without the currency."""
    if "tariff" in site and "currency" not in site:
        place = sources["site.tariff"]
        where = f"Environment variable {place}" if place in _VARIABLES else place
        raise SettingsError(
            f"{where}: site.tariff is {site['tariff']:g}, and site.currency is not set.",
            'Set it beside, like currency = "EUR".',
        )


def _check_forecast(forecast: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """A forecast is in a file or a query's answer, and that says no length of its steps."""
    if not forecast:
        return
    place = sources[f"forecast.{next(iter(forecast))}"]
    where = f"Environment variable {place}" if place in _VARIABLES else place
    if ("file" in forecast) is ("query" in forecast):
        both = "both file and query" if "file" in forecast else "neither file nor query"
        raise SettingsError(f"{where}: [forecast] names {both}.", "Set one of them.")
    if "query" in forecast and not forecast.get("step"):
        raise SettingsError(
            f"{where}: [forecast] has a query and no step.", 'Set it beside, like step = "30m".'
        )


def _absolute(key: str, value: Any, folder: Path | None) -> Any:
    if key != "forecast.file" and (key != "local.python" or "/" not in value):
        return value
    return str((folder or Path.cwd()) / Path(value).expanduser())
