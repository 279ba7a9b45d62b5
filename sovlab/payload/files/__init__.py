"""The files that travel with code: the user's own modules, what is read beside them, and what was named."""
