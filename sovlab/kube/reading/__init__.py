"""What objects of a cluster say, in plain words: states, ends, reasons. Functions of dicts where possible.

Only `wait_reasons` and `kueue` ask the cluster anything.
"""
