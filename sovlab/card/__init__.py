"""The card of a job, pure: from a record, the end of its log and a clock to a MIME bundle. No IPython."""
