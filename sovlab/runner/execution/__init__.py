"""Running the user's code in its process: a ``__main__`` from the payload, and the results pack from it."""
