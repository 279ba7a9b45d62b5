"""What became of a job and what was sent for it: asked when somebody looks, bounded, and no value of it."""
