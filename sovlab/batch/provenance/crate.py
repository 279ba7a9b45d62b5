"""A run as an RO-Crate: Process Run Crate 0.6 (w3id.org/ro/wfrun/process/0.6), which extends RO-Crate 1.3."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from sovlab.batch.provenance.told import File, Told

METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.3"
PROFILE = "https://w3id.org/ro/wfrun/process/0.6"
_CONTEXT = [f"{CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
_TOOL = "#sovlab"
_UNLICENSED = "No licence is stated: ask who made it before it is used."
_KINDS = {
    "output": ("The executed notebook", "application/x-ipynb+json"),
    "input": ("The notebook that was run", "application/x-ipynb+json"),
    "details": ("What else is known of the run", "application/json"),
}
Entity = dict[str, Any]


def crate(told: Told, *, published: str, agent: str = "", license_: str = "") -> dict[str, Any]:
    """The content of ``ro-crate-metadata.json``; its files are named as `files_of` says.

    Args:
        told: the run.
        published: date in ISO 8601.
        agent: who ran it, a URI (an ORCID) or a name; empty says nothing of that.
        license_: URI or text; empty says that there is none.
    """
    action = f"#run-{_quoted(told.id)}" if told.id else "#run"
    names = files_of(told)
    made, ran, beside = (
        [_file(name, file, *_KINDS[role]) for name, (role, file) in names.items() if role == wanted]
        for wanted in ("output", "input", "details")
    )
    files = [*made, *ran, *beside]
    parameters = [
        _property(f"#parameter-{_quoted(name)}", name, value) for name, value in told.parameters.items()
    ]
    took = _energy(told)
    source, image, tools = _source(told), _image(told), _tools(told)
    person, license_entity = _agent(agent), _license(license_)
    did: Entity = {
        "@id": action,
        "@type": "CreateAction",
        "name": f"Run of {_name(told)}",
        "description": _command(told),
        "startTime": told.started,
        "endTime": told.finished,
        "instrument": {"@id": _TOOL},
        "agent": _ids(person),
        "object": _ids(ran, parameters, source),
        "result": _ids(made, beside),
        "actionStatus": f"http://schema.org/{'Completed' if told.succeeded else 'Failed'}ActionStatus",
        "error": "" if told.succeeded else told.message or told.status,
        "containerImage": _ids(image),
        "additionalProperty": _ids(took),
    }
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Run of {_name(told)}",
        "description": f"The notebook {_name(told)}, executed by sovlab as job {told.id or 'unknown'}.",
        "datePublished": published,
        "license": _ids(license_entity) or license_ or _UNLICENSED,
        "conformsTo": {"@id": PROFILE},
        "hasPart": _ids(files),
        "mentions": {"@id": action},
    }
    about: Entity = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": CRATE},
        "about": {"@id": "./"},
    }
    profile: Entity = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.6"}
    entities = [
        *(about, root, profile),
        *(did, *tools, *files, *parameters, *took, *source, *image, *person, *license_entity),
    ]
    return {"@context": _CONTEXT, "@graph": [_known(entity) for entity in entities]}


def files_of(told: Told) -> dict[str, tuple[str, File]]:
    """Files of a crate by their names in it, with what they are: ``output``, ``input`` or ``details``."""
    names = {told.output.path.name: ("output", told.output)}
    for role, file in (("details", told.details), ("input", told.input)):
        if file is not None:
            name = file.path.name
            while name in names:  # the notebook of the same name in another folder
                name = f"{role}-{name}"
            names[name] = (role, file)
    return names


def is_ours(data: Any) -> bool:
    """Whether a crate's metadata is one that `crate` has made."""
    graph = data.get("@graph") if isinstance(data, dict) else None
    return isinstance(graph, list) and any(
        isinstance(each, Mapping) and each.get("@id") == _TOOL for each in graph
    )


def _tools(told: Told) -> list[Entity]:
    packages = [
        {
            "@id": f"https://pypi.org/project/{name}/{_quoted(version)}/",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": version,
        }
        for name, version in told.packages.items()
    ]
    kernel: list[Entity] = []
    if told.kernel:
        kernel = [
            {
                "@id": "#kernel",
                "@type": "SoftwareApplication",
                "name": f"Jupyter kernel {told.kernel}",
                "description": f"Python {told.python}" if told.python else "",
                "softwareRequirements": _ids(packages),
            }
        ]
    tool = {
        "@id": _TOOL,
        "@type": "SoftwareApplication",
        "name": "sovlab",
        "description": "Runs a notebook as a job, by papermill.",
        "softwareVersion": told.sovlab,
        "softwareRequirements": _ids(kernel or packages),
    }
    return [tool, *kernel, *packages]


def _energy(told: Told) -> list[Entity]:
    if told.energy is None:
        return []
    energy = told.energy
    share = "" if energy.coverage is None else f", {energy.coverage:.0%} of the run's time"
    return [
        {
            "@id": "#energy",
            "@type": "PropertyValue",
            "name": "energy",
            "value": energy.joules,
            "unitText": "J",
            "unitCode": "JOU",
            "measurementTechnique": f"{energy.source}: {energy.method}" if energy.method else energy.source,
            "description": f"{energy.source}, of the {energy.scope or 'job'}{share}",
        }
    ]


def _source(told: Told) -> list[Entity]:
    if not told.commit:
        return []
    changed = "With changes that are in no commit." if told.dirty else ""
    return [
        {
            "@id": f"#code-{told.commit}",
            "@type": "SoftwareSourceCode",
            "name": "The repository of the notebook",
            "version": told.commit,
            "codeRepository": told.remote,
            "description": changed,
        }
    ]


def _image(told: Told) -> list[Entity]:
    if not told.image.get("name"):
        return []
    return [
        {
            "@id": "#image",
            "@type": "ContainerImage",
            "additionalType": {"@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"},
            "registry": told.image.get("registry", ""),
            "name": told.image["name"],
            "tag": told.image.get("tag", ""),
            "sha256": told.image.get("digest", "").removeprefix("sha256:"),
        }
    ]


def _agent(agent: str) -> list[Entity]:
    if not agent:
        return []
    if _is_uri(agent):
        return [{"@id": agent, "@type": "Person"}]
    return [{"@id": "#agent", "@type": "Person", "name": agent}]


def _license(text: str) -> list[Entity]:
    return [{"@id": text, "@type": "CreativeWork", "name": text, "url": text}] if _is_uri(text) else []


def _is_uri(text: str) -> bool:
    return text.startswith(("https://", "http://")) and not set(text) & set(' \t\r\n"<>\\^`{|}')


def _file(name: str, file: File, description: str, kind: str) -> Entity:
    return {
        "@id": _quoted(name),
        "@type": "File",
        "name": file.path.name,
        "alternateName": file.path.name if name != file.path.name else "",
        "description": description,
        "encodingFormat": kind,
        "contentSize": str(file.size),
        "sha256": file.sha256,
    }


def _property(id_: str, name: str, value: Any) -> Entity:
    plain = isinstance(value, str | int | float | bool)
    text = value if plain else json.dumps(value, ensure_ascii=False)[:10_000]
    return {"@id": id_, "@type": "PropertyValue", "name": name, "value": text}


def _command(told: Told) -> str:
    """What was asked for, in words of the shell; for people."""
    words = ["sovlab run", told.input.path.name if told.input else "NOTEBOOK", told.output.path.name]
    words += [f"-p {name} {value}" for name, value in list(told.parameters.items())[:20]]
    words += [f"--backend {told.backend}"] if told.backend else []
    words += [f"--gpus {told.gpus}"] if told.gpus else []
    words += [f"--nodes {told.nodes}"] if told.nodes > 1 else []
    return " ".join(words)[:2000]


def _name(told: Told) -> str:
    return (told.input or told.output).path.name


def _ids(*entities: list[Entity]) -> list[dict[str, str]]:
    return [{"@id": entity["@id"]} for part in entities for entity in part]


def _quoted(text: str) -> str:
    return urllib.parse.quote(text.encode("utf-8", "replace"), safe="")


def _known(entity: Entity) -> Entity:
    return {key: value for key, value in entity.items() if key == "value" or (value not in ("", []))}
