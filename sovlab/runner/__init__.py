"""What runs inside the job. Standard library only, Python 3.9 or newer, shipped as one ``.pyz``.

Everything on this floor must import in a bare interpreter in milliseconds: torch, numpy, IPython and
matplotlib are used only if the user's code has imported them, cloudpickle only where there is
something to unpickle. The floors above import from here what both ends of the way must agree on: the
pack format, the frames in the log, the way values are pickled.
"""
