"""What is different in a pod: the first process, the log, the termination message, the commands beside it."""
