"""`Client`, the one composition root, and `Job`, the live handle. Faces import nothing below this floor."""

from sovlab.client.client import Client, Submitted, default, name_of

__all__ = ["Client", "Submitted", "default", "name_of"]
