"""Definitions of the notebook as a job has left them: the same code with another state."""
