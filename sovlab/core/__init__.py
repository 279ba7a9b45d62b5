"""The words of sovlab as frozen dataclasses. No I/O, nothing but the standard library.

Everything above this floor speaks in these types; nothing here knows a notebook, a process or a
cluster.
"""
