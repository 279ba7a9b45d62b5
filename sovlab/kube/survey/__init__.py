"""What a cluster is like for jobs: hardware, rights, add-ons, and what it would say of an object.

Nothing is made: reads, reviews of access and dry runs only.
"""
