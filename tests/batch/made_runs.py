"""A row of a run that has not begun, and what checks the document of several."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema

from sovlab.batch.forms.request import Request
from sovlab.batch.many import Many
from sovlab.options.sweep import Point

DOCUMENT = jsonschema.Draft202012Validator(
    json.loads(files("sovlab.views").joinpath("runs.schema.json").read_text())
)
ROW = Many(
    [Point({"lr": 0.1})],
    [Request("in.ipynb", "out.ipynb", "out.ipynb", {"lr": 0.1}, {})],
    1,
    lambda row: None,
    lambda row, line: None,
).rows[0]
