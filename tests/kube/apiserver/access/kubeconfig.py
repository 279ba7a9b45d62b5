"""A kubeconfig for the cluster: its tokens are in files, so that a client must read them again."""

from __future__ import annotations

from pathlib import Path

import yaml


def write(path: Path, server: str, ca: Path, users: dict[str, Path], current: str, namespace: str) -> Path:
    """Writes a kubeconfig with one context for each user.

    Args:
        path: where to.
        server: the URL.
        ca: the certificate authority.
        users: name → the file with the token.
        current: the user of the current context.
        namespace: of all contexts.
    """
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": server, "certificate-authority": str(ca)}}],
        "users": [{"name": name, "user": {"tokenFile": str(file)}} for name, file in users.items()],
        "contexts": [
            {"name": name, "context": {"cluster": "fake", "user": name, "namespace": namespace}}
            for name in users
        ],
        "current-context": current,
    }
    path.touch(0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
