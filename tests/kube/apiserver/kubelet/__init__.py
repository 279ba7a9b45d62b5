"""The nodes: each pod's containers as processes of this machine."""
