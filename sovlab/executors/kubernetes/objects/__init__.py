"""The objects of jobs in a cluster: which are ours, what is read of them, and the records made of them."""
