"""What a notebook records as its results: the form in which it stands among its outputs, for both ends."""

MIME = "application/vnd.sovlab.record+json"
"""The type of such an output: ``{"version": 1, "values": {name: value}}``."""
VERSION = 1
LARGEST = 16 << 10
"""Characters of JSON of one value."""
DEEPEST = 8
"""Levels of lists and dicts of one value."""
LONGEST_NAME = 100
