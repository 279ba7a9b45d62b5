"""What Process Run Crate 0.6, RO-Crate 1.3 and SLSA's provenance ask for, of what sovlab makes."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CRATE, PROFILE = "https://w3id.org/ro/crate/1.3", "https://w3id.org/ro/wfrun/process/0.6"


def references(value: Any) -> set[str]:
    """All that entities refer to by ``{"@id": …}``."""
    if isinstance(value, dict):
        found = {value["@id"]} if set(value) == {"@id"} else set()
        return found.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def check_crate(data: Any, folder: Path | None = None) -> dict[str, Any]:
    """A crate is as its profile has it; its entities by their ids."""
    assert data["@context"] == [f"{CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
    json.dumps(data, allow_nan=False)
    graph = {entity["@id"]: entity for entity in data["@graph"]}
    assert len(graph) == len(data["@graph"]), "two entities have one id"
    for entity in graph.values():
        assert entity["@type"]
        assert "" not in {key: each for key, each in entity.items() if key != "value"}.values()
        assert [] not in entity.values()
    outside = {
        each for each in references(data["@graph"]) - set(graph) if not each.startswith("https://w3id.org/")
    }
    assert not outside, f"not in the crate: {outside}"

    about, root = graph["ro-crate-metadata.json"], graph["./"]
    assert about["@type"] == "CreativeWork"
    assert (about["conformsTo"], about["about"]) == ({"@id": CRATE}, {"@id": "./"})
    assert root["@type"] == "Dataset"
    assert root["conformsTo"] == {"@id": PROFILE}
    assert all(root[key] for key in ("name", "description", "license"))
    datetime.date.fromisoformat(root["datePublished"])
    assert graph[PROFILE]["@type"] == "CreativeWork"

    (action,) = [each for each in graph.values() if each["@type"] == "CreateAction"]
    assert {"@id": action["@id"]} in listed(root["mentions"])
    tool = graph[action["instrument"]["@id"]]
    assert tool["@type"] == "SoftwareApplication"
    assert tool["name"]
    assert all(action[key] for key in ("name", "description"))
    assert action["actionStatus"] in (
        "http://schema.org/CompletedActionStatus",
        "http://schema.org/FailedActionStatus",
    )
    assert ("error" in action) <= action["actionStatus"].endswith("FailedActionStatus")
    for key in ("startTime", "endTime"):
        if key in action:
            assert datetime.datetime.fromisoformat(action[key]).tzinfo is not None
    for each in (*listed(action.get("object")), *listed(action["result"])):
        assert graph[each["@id"]]["@type"] in ("File", "PropertyValue", "SoftwareSourceCode")
    for image in listed(action.get("containerImage")):
        entity = graph[image["@id"]]
        assert entity["additionalType"] == {"@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"}
        assert entity["name"]
    for entity in graph.values():
        if entity["@type"] == "PropertyValue":
            assert entity["name"]
            assert isinstance(entity["value"], str | int | float)
        if entity["@type"] == "File":
            assert {"@id": entity["@id"]} in listed(root["hasPart"])
            if folder is not None:
                assert (folder / unquote(entity["@id"])).stat().st_size == int(entity["contentSize"])
    return graph


def check_statement(data: Any) -> dict[str, Any]:
    """A statement has what in-toto and SLSA require; its predicate."""
    json.dumps(data, allow_nan=False)
    assert data["_type"] == "https://in-toto.io/Statement/v1"
    assert data["predicateType"] == "https://slsa.dev/provenance/v1"
    for each in data["subject"]:
        assert re.fullmatch("[0-9a-f]{64}", each["digest"]["sha256"])
    predicate = data["predicate"]
    assert set(predicate) == {"buildDefinition", "runDetails"}
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    assert re.fullmatch(r"[a-z][a-z0-9+.-]*:\S+", definition["buildType"])
    assert isinstance(definition["externalParameters"], dict)
    assert isinstance(definition["internalParameters"], dict)
    for each in (*definition["resolvedDependencies"], *details["byproducts"]):
        assert each.get("uri") or each.get("digest"), "a descriptor has one of them"
        assert re.fullmatch(r"[a-z][a-z0-9+.-]*:\S+", each.get("uri", "a:b"))
        assert set(each) <= {"uri", "digest", "name", "mediaType", "annotations"}
    assert re.fullmatch(r"[a-z][a-z0-9+.-]*:\S+", details["builder"]["id"])
    for key in ("startedOn", "finishedOn"):
        if key in details["metadata"]:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", details["metadata"][key])
    return predicate  # type: ignore[no-any-return]
