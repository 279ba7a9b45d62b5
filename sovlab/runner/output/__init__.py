"""What the user's code shows, in the process that runs it: streams, rich output, figures, tracebacks."""
