"""Bytes from a Prometheus, and what they must be to be read; knows nothing of exporters or jobs."""
