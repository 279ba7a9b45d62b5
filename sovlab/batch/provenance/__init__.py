"""What is known of a notebook's run beside its record: where it is from, kept and told to other programs.

What is written here holds no name of a user, no path of a home and no secret that the user did not put there.
"""
