"""Objects that a cluster is asked for, as plain dicts from plain values. Pure: no call, no clock."""
