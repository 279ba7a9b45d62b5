"""The log of a job as text."""
