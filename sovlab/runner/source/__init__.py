"""Source as it travels: which names code reads and binds, where a definition stands, and running it there.

Used at both ends; it imports `values` and nothing of the rooms that only run in jobs.
"""
