"""A run as an in-toto statement with SLSA's provenance, version 1 (slsa.dev/spec/v1.0/provenance).

It is what the notebook says of itself, unsigned: who vouches for it signs it.
"""

from __future__ import annotations

import urllib.parse
from typing import Any

from sovlab.batch.provenance.told import File, Told

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:sovlab:notebook-run:v1"
"""What the parameters mean: of ``externalParameters``, ``notebook`` is the name of what was run with the
SHA-256 of the sources that ran, and the rest is what ``sovlab run`` was given; ``internalParameters`` are
what the target chose."""


def statement(told: Told) -> dict[str, Any]:
    """The statement, as JSON; its subject is the executed notebook."""
    external = {
        "notebook": _known({"name": _name(told.input), "cellsSha256": told.cells_sha256}),
        "parameters": dict(told.parameters),
        "kernel": told.wanted,
        "backend": told.backend,
        "gpus": told.gpus,
        "nodes": told.nodes,
    }
    internal: dict[str, Any] = {
        "target": told.target,
        "kernel": told.kernel,
        "python": told.python,
        "outcome": told.status,
    }
    if told.energy is not None:
        internal["energy"] = _known(
            {
                "value": told.energy.joules,
                "unit": "J",
                "source": told.energy.source,
                "method": told.energy.method,
                "scope": told.energy.scope,
                "coverage": told.energy.coverage,
            }
        )
    metadata = {"invocationId": told.id, "startedOn": told.started, "finishedOn": told.finished}
    builder = {"id": f"urn:sovlab:target:{urllib.parse.quote(told.target or 'unknown', safe='')}"}
    return {
        "_type": STATEMENT,
        "subject": [_descriptor(told.output)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": _known(external),
                "internalParameters": _known(internal),
                "resolvedDependencies": _dependencies(told),
            },
            "runDetails": {
                "builder": {**builder, "version": _known({"sovlab": told.sovlab})},
                "metadata": _known(metadata),
                "byproducts": [_descriptor(told.details)] if told.details is not None else [],
            },
        },
    }


def _dependencies(told: Told) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if told.input is not None:
        found.append({**_descriptor(told.input), "mediaType": "application/x-ipynb+json"})
    if told.commit:
        said = {
            "uri": f"git+{told.remote}" if told.remote else "",
            "digest": {"gitCommit": told.commit},
            "name": "code",
            "annotations": {} if told.dirty is None else {"dirty": told.dirty},
        }
        found.append(_known(said))
    if told.image.get("name"):
        digest = told.image.get("digest", "").removeprefix("sha256:")
        tag = f":{told.image['tag']}" if told.image.get("tag") else ""
        pin = f"@sha256:{digest}" if digest else tag
        registry = told.image.get("registry", "docker.io")
        found.append(
            _known(
                {
                    "uri": f"docker://{registry}/{told.image['name']}{pin}",
                    "digest": {"sha256": digest} if digest else {},
                    "name": "image",
                }
            )
        )
    found += [
        {"uri": f"pkg:pypi/{name.lower().replace('_', '-')}@{urllib.parse.quote(version, safe='')}"}
        for name, version in told.packages.items()
    ]
    return found


def _descriptor(file: File) -> dict[str, Any]:
    return {"name": file.path.name, "digest": {"sha256": file.sha256}}


def _name(file: File | None) -> str:
    return file.path.name if file is not None else ""


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None and value not in ("", {})}
