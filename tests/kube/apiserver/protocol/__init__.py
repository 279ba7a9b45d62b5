"""What requests and answers are made of: kinds, options of a call, values, and refusals."""
