"""Objects as they are kept: their history, who set which field, how they are patched and selected."""
