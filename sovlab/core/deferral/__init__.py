"""When a job with a deadline starts: `clock` reads the deadline, `formats` a forecast, `choosing` the start.

Pure: what a forecast says is given, and the time is too.
"""
