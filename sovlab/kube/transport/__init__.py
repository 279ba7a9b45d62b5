"""Bytes to and from a cluster: calls, watches, logs, commands in containers. Knows nothing of jobs.

Only `connection` imports the Kubernetes client; nothing of it or of the HTTP library leaves this room.
"""
