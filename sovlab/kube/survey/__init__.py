"""What a cluster is like for jobs: hardware, rights, add-ons, and whether it would accept an object.

Nothing is created: reads, reviews of access and dry runs only.
"""
