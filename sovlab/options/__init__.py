"""What may be said of a job, or of a new target: one list for Python, the magics and the shell."""
