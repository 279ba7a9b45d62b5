"""What an executed notebook says of how its cells ended; cells that papermill put in for errors are aside."""

from __future__ import annotations

PENDING, COMPLETED, FAILED = "pending", "completed", "failed"


def statuses(nb):
    return [cell["metadata"]["papermill"]["status"] for cell in nb["cells"] if not is_marker(cell)]


def exceptions(nb):
    return [cell["metadata"]["papermill"]["exception"] for cell in nb["cells"] if not is_marker(cell)]


def counts(nb):
    return [cell.get("execution_count") for cell in nb["cells"] if not is_marker(cell)]


def is_marker(cell):
    return "papermill-error-cell-tag" in cell["metadata"].get("tags", ())


def markers(nb):
    return [index for index, cell in enumerate(nb["cells"]) if is_marker(cell)]


def truths(nb):
    """What only our metadata says of cells."""
    return [cell["metadata"].get("sovlab", {}).get("status") for cell in nb["cells"] if not is_marker(cell)]
