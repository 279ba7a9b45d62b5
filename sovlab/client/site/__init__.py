"""What the Prometheus of a target's site says: asked only when somebody looks, and nothing depends on it.

Each question has a bound of seconds. What does not answer, or has nothing, is told in a sentence.
"""
