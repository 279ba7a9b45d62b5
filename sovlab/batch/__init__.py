"""Whole notebooks as jobs: papermill's engine, and what is said of a run."""
