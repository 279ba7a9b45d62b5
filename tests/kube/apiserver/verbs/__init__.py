"""What the verbs do to objects, within all rules; and events, which tell of what was done."""
