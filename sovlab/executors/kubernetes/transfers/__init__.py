"""What goes between this machine, the pods of jobs and the stores of targets."""
