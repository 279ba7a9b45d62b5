"""Seed and switches that decide whether a run can be had again, as the kernel has them at its end."""

from __future__ import annotations

import ast
from typing import Any, Dict

_ASKED = """(lambda modules, environ: {
    **{name: environ[name] for name in ('PYTHONHASHSEED', 'CUBLAS_WORKSPACE_CONFIG') if name in environ},
    **(lambda torch: {
        'torch_seed': str(torch.initial_seed()),
        'torch_deterministic': torch.are_deterministic_algorithms_enabled(),
        'cudnn_deterministic': torch.backends.cudnn.deterministic,
        'cudnn_benchmark': torch.backends.cudnn.benchmark,
        'cuda': torch.version.cuda or '',
        'hip': torch.version.hip or '',
    } if torch is not None else {})(modules.get('torch')),
})(__import__('sys').modules, __import__('os').environ)"""


def asked(client: Any) -> Dict[str, Any]:
    """What a Python kernel says of them; empty if it does not say. Nothing in it changes.

    Args:
        client: of nbclient, whose cells have run.
    """
    from sovlab.runner.notebook.replies import reply_to

    try:
        asked_for = client.kc.execute(
            "", silent=True, store_history=False, user_expressions={"asked": _ASKED}, allow_stdin=False
        )
        answer = reply_to(client, asked_for) or {}
        found = ast.literal_eval(answer["content"]["user_expressions"]["asked"]["data"]["text/plain"])
    except Exception:  # whatever a notebook has made of its kernel, the run is over and well
        return {}
    return found if isinstance(found, dict) else {}
