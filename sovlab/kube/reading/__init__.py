"""What objects of a cluster mean for a job, in plain words: states, endings, reasons. Functions of dicts.

Only `wait_reasons` and `kueue` ask the cluster anything.
"""
