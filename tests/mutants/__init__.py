"""Whether the tests would notice: a seeded sample of small changes to the code, against those of its area."""
