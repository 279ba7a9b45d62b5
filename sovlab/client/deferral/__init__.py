"""When a job with ``--finish-by`` starts: asked at its submit only.

What is not known, history or forecast, makes it start at once, with a sentence that says so.
"""
