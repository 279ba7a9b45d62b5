"""Takes out of an executed notebook what tells who ran it and where, and says what that was.

papermill writes the paths of both notebooks, outputs and tracebacks name directories, and a record of ours
names a target and a registry. Sources and parameters are what people wrote, and are left as they are.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePath, PureWindowsPath
from typing import Any

from sovlab.batch.provenance.private import Found, Private
from sovlab.batch.publishing.hints import hints, is_picture
from sovlab.batch.verifying.cells import joined, members
from sovlab.core.untrusted import clean

_PATHS = ("input_path", "output_path")
_REGISTRIES = (
    *("docker.io", "ghcr.io", "quay.io", "nvcr.io", "gcr.io", "mcr.microsoft.com", "public.ecr.aws"),
    *("registry.access.redhat.com", "registry.k8s.io", "registry.gitlab.com"),
)
_FORGES = ("github.com", "gitlab.com", "codeberg.org", "bitbucket.org", "git.sr.ht", "huggingface.co")
"""Servers that everybody may know; another is a site's own."""
_DEEP_ENOUGH = 4
"""Parts of a path, the root among them, from which on a directory tells of somebody."""
_WORDS = {
    "home": "a home directory, ~ in its place",
    "folder": "the working directory, . in its place",
    "user": "the user's name in a path, user in its place",
    "host": "the machine's name, host in its place",
}
_MAPPED = "widgets"


class Published:
    """A copy of a notebook for everybody.

    Attributes:
        notebook: the copy.
        taken: what was taken out, a sentence each.
        hints: what somebody is to look at, a sentence each.
    """

    def __init__(self, notebook: Mapping[str, Any], *, widgets: bool = True) -> None:
        """Make it.

        Args:
            notebook: of nbformat 4, of which nothing else was checked.
            widgets: whether to keep what widgets show.
        """
        self.notebook: dict[str, Any] = copy.deepcopy(dict(notebook))
        self.taken: list[str] = []
        self._found: Counter[tuple[str, str]] = Counter()
        self._private = Private.here(_folders(notebook), any_home=True)
        metadata = self.notebook.get("metadata")
        if isinstance(metadata, dict):
            self._strip_papermill(metadata.get("papermill"))
            self._strip_record(metadata.get("sovlab"))
            if not widgets and metadata.pop(_MAPPED, None) is not None:
                self.taken.append("The state of the widgets.")
            self._clear(metadata, _MAPPED, "The state of the widgets")
        cells = self.notebook.get("cells")
        for number, cell in enumerate(cells if isinstance(cells, list) else [], 1):
            if isinstance(cell, dict):
                self._clear_outputs(cell, number)
        for (where, kind), count in self._found.items():
            times = f", {count} times" if count > 1 else ""
            self.taken.append(f"{where}: {_WORDS[kind]}{times}.")
        self.hints = list(hints(self.notebook, self._private))

    def _strip_papermill(self, said: Any) -> None:
        if not isinstance(said, dict):
            return
        for key in _PATHS:
            path = said.get(key)
            if isinstance(path, str) and ("/" in path or "\\" in path):
                said[key] = _base(path)
                self.taken.append(f"papermill's {key}, but for the file's name {clean(said[key], 100)}.")
        variables = said.get("environment_variables")
        if variables:
            said["environment_variables"] = {}
            count = len(variables) if isinstance(variables, dict | list) else 1
            self.taken.append(f"papermill's environment_variables: {count}.")

    def _strip_record(self, said: Any) -> None:
        if not isinstance(said, dict):
            return
        run, image, code = (said.get(key) for key in ("run", "image", "code"))
        if isinstance(run, dict) and run.pop("target", None):
            self.taken.append("The name of the target, in sovlab's record.")
        if isinstance(image, dict) and image.get("registry") and joined(image["registry"]) not in _REGISTRIES:
            image.pop("registry")
            self.taken.append("The site's own registry of the image, in sovlab's record.")
        if isinstance(code, dict) and code.get("remote") and not _is_public(joined(code["remote"])):
            code.pop("remote")
            self.taken.append("The site's own remote of the code, in sovlab's record.")
        if said.pop("sidecar", None) is not None:
            self.taken.append("The reference to the file beside the notebook, which stays here.")
        for key in list(said):
            self._clear(said, key, "sovlab's record")

    def _clear_outputs(self, cell: dict[str, Any], number: int) -> None:
        where = f"Cell {number}, outputs"
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            if not isinstance(output, dict):
                continue
            for key in ("text", "evalue", "traceback"):
                self._clear(output, key, where)
            data = output.get("data")
            if isinstance(data, dict):
                for kind in data:
                    if not is_picture(kind):
                        self._clear(data, kind, where)
        if "papermill-error-cell-tag" in _tags(cell):
            self._clear(cell, "source", f"Cell {number}, papermill's note of an error")

    def _clear(self, holder: dict[str, Any], key: str, where: str) -> None:
        if key not in holder:
            return
        found: list[Found] = []
        value = holder[key]
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            cleared = [self._private.without(each, found.append) for each in value]
        else:
            cleared = self._private.cleared(value, found.append)
        if found:
            holder[key] = cleared
            self._found.update((where, each.kind) for each in found)


def _folders(notebook: Mapping[str, Any]) -> list[str]:
    """Directories that papermill names, which outputs may name, too."""
    said = members(members(notebook.get("metadata")).get("papermill"))
    paths = [PurePath(path) for key in _PATHS if isinstance(path := said.get(key), str)]
    return [
        str(path.parent)
        for path in paths
        if path.is_absolute() and len(path.parent.parts) >= _DEEP_ENOUGH and "\0" not in str(path)
    ]


def _base(path: str) -> str:
    """The last part of a path of any system, or of a URL, which may have a key in its query."""
    return PureWindowsPath(path.partition("?")[0].rstrip("/\\")).name


def _is_public(remote: str) -> bool:
    host = remote.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    return host.lower() in _FORGES


def _tags(cell: Mapping[str, Any]) -> list[Any]:
    tags = members(cell.get("metadata")).get("tags")
    return tags if isinstance(tags, list) else []
