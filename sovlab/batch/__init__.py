"""What runs notebooks as batch jobs: papermill's engine, and what compares two runs."""
