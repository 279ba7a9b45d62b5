"""The HTTP front: it can be stopped and started while the cluster behind it goes on."""
