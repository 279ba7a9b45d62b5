"""Notebooks: what only they understand in a cell, and a whole one as a job's code."""
