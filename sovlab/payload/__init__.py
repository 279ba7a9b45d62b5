"""What travels: a cell, call or script with all it needs, as one content-addressed file; what comes back."""
