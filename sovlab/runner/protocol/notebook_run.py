"""What the run of a notebook leaves among the files of its job, for both ends."""

FOLDER = ".sovlab-run"
"""Of the job's files: what a notebook's run leaves."""
NOTEBOOK = "notebook.ipynb"
"""The executed notebook in `FOLDER`, its long outputs as references."""
REFERENCE = "sovlab_output"
"""Key of what stands for a long output: ``{"sovlab_output": SHA-256 in hex, "size": bytes}``."""
LONGEST = 64 << 10
"""Bytes of an output that goes through the log."""
