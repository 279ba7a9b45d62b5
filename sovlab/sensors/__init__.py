"""What measures: shipped into jobs, so standard library and ctypes only, for Python 3.9 and newer.

A sensor says what it reads and why it cannot; it never guesses, and never keeps a job from running.
"""
