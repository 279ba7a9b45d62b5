"""What a form asks of a notebook, and the run that it begins.

The rule of this room: nothing here imports papermill or nbformat, so that a server may use it at no cost.
What runs is a process of its own.
"""
