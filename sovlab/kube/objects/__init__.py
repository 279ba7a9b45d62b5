"""Objects to create in a cluster, as plain dicts from plain values. Pure: no call, no clock."""
