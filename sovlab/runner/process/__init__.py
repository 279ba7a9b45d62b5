"""The processes of a job: the supervisor, the child or the ranks below it, and what they are forked from."""
