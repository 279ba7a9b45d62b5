"""What is measured: a module for each row of the tables, or for the few that one run gives."""
