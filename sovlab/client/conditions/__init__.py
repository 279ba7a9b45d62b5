"""How hot a target's devices are and what they may draw more, for a choice between them.

Nobody waits long for it: what is known is kept for seconds, what is not is asked for in the background, and a
choice is made without what has not come. Nothing is raised; why a number is not known is told in a clause.
"""
