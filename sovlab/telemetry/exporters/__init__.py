"""Exporters by family: their names, labels and queries as data, with what is known of their traps."""
