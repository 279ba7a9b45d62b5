"""Objects of a cluster as YAML for people: in order, and easy to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sovlab.core.plan import Plan
from sovlab.views.table import Code


def plan_yaml(plan: Plan) -> Code:
    """The objects that a submit would make, as YAML; empty where there are none."""
    return Code(yaml_text(plan.manifests) if plan.manifests else "")


def yaml_text(objects: Iterable[Mapping[str, Any]]) -> str:
    """Objects as one YAML stream, each a document; text of several lines is a block."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """Writes no anchors, so that what is said twice can be read twice."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return str(
        yaml.dump_all(
            objects,
            Dumper=Dumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=False,
            explicit_start=True,
            width=float("inf"),
        )
    )
