"""Whole notebooks of the pages as runs: the form for one, its beginning, and what has become of it.

The rule of this room: what was typed is looked at field by field, and each mistake is told with its field;
what runs is a process of its own (`sovlab.batch.forms.staying`), which a server that ends leaves alone.
"""
