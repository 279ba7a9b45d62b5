"""What people are shown of jobs, hardware and targets, as text in cells: the same for notebook and shell."""
