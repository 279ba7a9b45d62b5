"""Measured side by side with peers, in one run: ``python -m benchmarks``, or ``make bench``.

Absolute times say more about a machine than about a program, so what counts here are ratios: the cases
of one benchmark take turns, each round in the reverse order of the one before, after a round that only
warms up. A ratio is the median of the ratios within the rounds. Whatever is asked of sovlab or of a peer
is asked of a process that lives on between the questions, as a notebook's kernel does, and that takes the
time itself; there is one such program for each in ``drivers/``.

Peers live in an environment of their own. One that is not there is reported as not installed.
"""
