"""What is different in a pod: its first process, its log, its last words, and the commands run beside it."""
