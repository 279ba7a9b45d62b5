"""A copy of an executed notebook for everybody: what is taken out of it, and what is only warned of."""
