"""Two runs of one notebook compared, however the second was made.

Notebooks come in as plain dicts, which nobody has checked; nothing in here runs, fetches or writes anything.
"""
