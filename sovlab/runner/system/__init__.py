"""What the operating system knows of a job: its processes and their memory. Used at both ends."""
