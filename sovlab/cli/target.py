"""What ``sovlab target`` does: list, show, add, choose and remove targets."""

from __future__ import annotations

import argparse
from dataclasses import replace

from sovlab.cli import show
from sovlab.client import Client, default
from sovlab.views.findings import findings_table
from sovlab.views.targets import target_table, targets_table


def list_all(parsed: argparse.Namespace) -> int:
    """``sovlab target``."""
    return _listed(default(), json=parsed.json)


def show_one(parsed: argparse.Namespace) -> int:
    """``sovlab target show``."""
    target = default().target(parsed.name)
    if parsed.json:
        sources = {"executor": target.source, **target.sources}
        show.json_document({"target": replace(target, sources={}), "sources": sources})
    else:
        show.table(target_table(target))
    return 0


def add(parsed: argparse.Namespace) -> int:
    """``sovlab target add``: 0 if jobs can run on it, 1 if something is still missing for that."""
    from sovlab.options import target

    path, proposal = default().add_target(
        parsed.name, target.from_arguments(parsed), use=parsed.use, force=parsed.force
    )
    if parsed.json:
        document = {"name": parsed.name, "file": str(path), "settings": proposal.values}
        show.json_document({**document, "findings": proposal.findings, "notes": proposal.notes})
    else:
        show.table(findings_table(proposal.findings))
        use = f"sovlab target use {parsed.name}"
        show.note(
            f"Target {parsed.name} was written to {path}"
            + (", and is now the current one." if parsed.use else f". Make it the current one: {use}")
        )
        for sentence in proposal.notes:
            show.note(sentence)
        if not proposal.usable:
            show.note(
                f"Jobs cannot run there until what is missing is there: sovlab doctor --target {parsed.name}"
            )
    return 0 if proposal.usable else 1


def use(parsed: argparse.Namespace) -> int:
    """``sovlab target use``."""
    client = default()
    client.use_target(parsed.name)
    return _listed(client, json=parsed.json)


def remove(parsed: argparse.Namespace) -> int:
    """``sovlab target remove``."""
    client = default()
    path = client.remove_target(parsed.name)
    if parsed.json:
        show.json_document({"name": parsed.name, "file": str(path)})
    else:
        show.note(
            f"Target {parsed.name} was removed from {path}. Its jobs in the cluster are left as they are."
        )
    return 0


def _listed(client: Client, *, json: bool) -> int:
    current, targets = client.settings.target_named(None).name, client.targets()
    if json:
        show.json_document({"current": current, "targets": {target.name: target for target in targets}})
    else:
        show.table(targets_table(targets, current))
        for sentence in (*client.settings.ignored, *client.settings.outdated):
            show.note(sentence)
    return 0
