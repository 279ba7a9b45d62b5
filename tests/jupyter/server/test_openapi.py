"""What is published of the routes is what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
from tornado.routing import PathMatches

from sovlab.jupyter.server import handlers, openapi, routes
from sovlab.jupyter.server.stream import messages
from sovlab.options.job import NAMES

TAGGED = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "lr: float = 0.1"}
NOTEBOOK = {"cells": [TAGGED], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
FILE = Path(__file__).parents[3] / "extension" / "openapi.json"


def test_the_file_is_what_the_code_makes():
    made = openapi.text()
    assert made == openapi.text()
    assert FILE.read_text() == made, (
        "Run: python -m sovlab.jupyter.server.openapi extension/openapi.json, and make api.ts of it anew"
    )


def test_every_route_has_work_behind_it_and_is_published():
    assert {route.name for route in routes.ROUTES} == set(handlers._WORK)
    published = {
        (method.upper(), path)
        for path, methods in openapi.document()["paths"].items()
        for method in methods
        if path != routes.STREAM
    }
    assert published == {(route.method, routes.BASE + route.path) for route in routes.ROUTES}
    patterns = [PathMatches(f"{pattern}$") for pattern, *_ in handlers.handlers()]
    for _, path in published:
        assert any(each.regex.match(path.replace("{job}", "digits-7k2m9x")) for each in patterns[:-1])


def test_every_schema_is_one_and_every_reference_leads_somewhere():
    document = openapi.document()
    schemas = document["components"]["schemas"]

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in schemas
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(document)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schemas["Options"]["properties"]) == set(NAMES)
    assert set(schemas["ServerMessage"]["discriminator"]["mapping"]) == {
        kind.__struct_config__.tag for kind in messages.ServerMessage.__args__
    }


async def test_what_is_published_can_be_had_and_answers_are_as_it_says(api, submit, ended, page, root):
    (root / "n.ipynb").write_text(json.dumps(NOTEBOOK))
    published = (await api("GET", "openapi.json")).body
    assert published == json.loads(FILE.read_text())
    job_id = await submit("print('x')")
    await ended(job_id)

    def check(schema: Any, value: Any) -> None:
        whole = {**schema, "components": published["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    for path, methods in published["paths"].items():
        operation = methods.get("get")
        if operation is None or path == routes.STREAM:
            continue
        parts = path.removeprefix(routes.BASE).replace("{job}", job_id).strip("/").split("/")
        required = [each["name"] for each in operation.get("parameters", ()) if each["required"]]
        params = {name: "n.ipynb" for name in required if name != "job"}
        answer = await api("GET", *parts, params=params)
        if answer.status == 200:
            check(operation["responses"]["200"]["content"]["application/json"]["schema"], answer.body)
        else:
            assert path.endswith("/manifests"), (path, answer)
            problem = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
            check(problem, answer.body)
    mine = await page()
    await mine.say(type="watch", targets=["local", "moon"])
    await mine.say(type="look", targets=["local"])
    await mine.say(type="follow", job=job_id)
    wanted = {"snapshot", "telemetry", "job", "log", "refused", "health", "hello"}
    while not wanted <= {message["type"] for message in mine.told}:
        await mine.next()
    for message in mine.told:
        check({"$ref": "#/components/schemas/ServerMessage"}, message)
