"""Values as they travel: the pack, and pickles whose big memory lies beside them. Used at both ends.

It imports nothing of the rooms that only run in jobs.
"""
