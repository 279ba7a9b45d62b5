"""A notebook as a job: its cells in a kernel beside the runner, and what they show told as it comes."""
