"""What both ends of the way agree on, byte for byte: order, frames, exit record, last words, files of a pod.

Jobs, clusters and disks hold what older versions wrote: what is here changes by a new version number only.
It imports nothing of the rooms that only run in jobs.
"""
