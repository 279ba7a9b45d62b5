"""What job and client agree on, byte for byte: order, frames, exit record, termination message, file names.

Jobs, clusters and disks hold what older versions wrote: what is here changes by a new version number only.
It imports nothing of the rooms that only run in jobs.
"""
