"""The OpenAPI document of the routes and of the socket's messages, made of their types.

``python -m sovlab.jupyter.server.openapi extension/openapi.json`` writes it anew.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import msgspec

from sovlab.jupyter.server import asked, models, routes
from sovlab.jupyter.server.stream import messages

_REF = "#/components/schemas/{name}"
_PART = re.compile(r"^ {4}(?=\S)", re.MULTILINE)


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1; the same each time, so that it can be compared with a file."""
    kinds = [models.Problem, messages.ClientMessage, messages.ServerMessage]
    kinds += [kind for route in routes.ROUTES for kind in (route.query, route.body, route.answer) if kind]
    schemas, found = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(map(repr, kinds), map(_plain, schemas), strict=True))
    components: dict[str, Any] = {name: _described(name, _plain(each)) for name, each in found.items()}
    components.update(_job_schemas())
    components["ClientMessage"] = _union(messages.ClientMessage)
    components["ServerMessage"] = _union(messages.ServerMessage)
    queries = {route.query.__name__ for route in routes.ROUTES if route.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sovlab in JupyterLab",
            "version": str(models.PROTOCOL),
            "description": (
                "Jobs for the pages of a Jupyter server, below its base URL. Each request needs the server's "
                "token or cookie, each change its XSRF token. What goes wrong is a Problem (RFC 9457)."
            ),
        },
        "paths": {
            **_paths(components, by_kind),
            routes.STREAM: {"get": _stream()},
        },
        "components": {
            "schemas": {name: components[name] for name in sorted(components) if name not in queries},
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "xsrf": {"type": "apiKey", "in": "header", "name": "X-XSRFToken"},
            },
        },
        "security": [{"token": []}],
    }


def text() -> str:
    """The document as the file has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _paths(components: dict[str, Any], by_kind: dict[str, Any]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes.ROUTES:
        operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary}
        parameters = []
        if routes.JOB in route.path:
            schema = {"type": "string", "pattern": f"^{routes.ID_PATTERN}$"}
            parameters.append({"name": "job", "in": "path", "required": True, "schema": schema})
        if route.query is not None:
            query = components[route.query.__name__]
            for name, schema in query["properties"].items():
                required = name in query.get("required", ())
                parameters.append({"name": name, "in": "query", "required": required, "schema": schema})
        if parameters:
            operation["parameters"] = parameters
        if route.body is not None:
            content = {"application/json": {"schema": by_kind[repr(route.body)]}}
            operation["requestBody"] = {"required": True, "content": content}
        done: dict[str, Any] = {"description": "Done." if route.method != "GET" else "What was asked for."}
        if route.answer is not None:
            done["content"] = {"application/json": {"schema": by_kind[repr(route.answer)]}}
        problem = {"schema": {"$ref": _REF.format(name="Problem")}}
        operation["responses"] = {
            str(route.status): done,
            "default": {"description": "A problem.", "content": {"application/problem+json": problem}},
        }
        if route.method != "GET":
            operation["security"] = [{"token": [], "xsrf": []}]
        operation["x-right"] = route.right
        paths.setdefault(routes.BASE + route.path, {})[route.method.lower()] = operation
    return paths


def _stream() -> dict[str, Any]:
    return {
        "operationId": "stream",
        "summary": "A WebSocket: the page says ClientMessage, the server ServerMessage, as JSON texts.",
        "responses": {"101": {"description": "See PROTOCOL.md beside this file."}},
    }


def _union(union: Any) -> dict[str, Any]:
    """A schema of messages that are told apart by their ``type``."""
    refs = {kind.__struct_config__.tag: _REF.format(name=kind.__name__) for kind in get_args(union)}
    return {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "type", "mapping": refs},
    }


def _job_schemas() -> dict[str, Any]:
    """The schema of a job's document, and what it defines beside, as ``Job`` and ``JobReading``."""
    whole = json.loads(files("sovlab.views").joinpath("job.schema.json").read_text())
    defined = whole.get("$defs", {})
    text = json.dumps({key: value for key, value in whole.items() if not key.startswith("$")})

    def known(text: str) -> Any:
        for name in defined:
            text = text.replace(f'"#/$defs/{name}"', json.dumps(_REF.format(name=f"Job{name.capitalize()}")))
        return json.loads(text)

    return {"Job": known(text)} | {
        f"Job{name.capitalize()}": known(json.dumps(value)) for name, value in defined.items()
    }


def _plain(schema: Any) -> Any:
    """A schema in which a reference stands alone, without what msgspec has written beside it."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema and "type" in schema:
        return {"$ref": schema["$ref"]}
    return {key: _plain(value) for key, value in schema.items()}


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what the type's docstring says of it and of its attributes."""
    rooms = (messages, models, asked)
    kind = next((found for room in rooms if (found := getattr(room, name, None)) is not None), None)
    doc = inspect.cleandoc(kind.__doc__ or "") if kind is not None else ""
    first, _, rest = doc.partition("\nAttributes:\n")
    described = {**schema, "description": " ".join(first.replace("``", "`").split())}
    properties = {key: dict(value) for key, value in schema.get("properties", {}).items()}
    for part in _PART.split(rest)[1:]:
        names, _, says = part.partition(":")
        for each in names.split(","):
            if each.strip() in properties:
                said = " ".join(says.replace("``", "`").split())
                properties[each.strip()].setdefault("description", said)
    return {**described, "properties": properties}


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("Say which file to write: python -m sovlab.jupyter.server.openapi extension/openapi.json")
    Path(sys.argv[1]).write_text(text())
