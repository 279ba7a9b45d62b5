"""What is kept of a device's power over time, and how it is told: the same in the job and in its readers."""
