"""What is shown of a run while it goes on, beside its notebook: told what there is, it asks for nothing."""
