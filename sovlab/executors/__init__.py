"""Where and how jobs run: the protocol, and one package for each executor."""
