"""Whole notebooks as jobs: papermill's engine, what is said of a run, and what compares two runs."""
