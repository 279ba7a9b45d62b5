"""What a client does while its run goes on: it takes what is told, has it saved, and may leave or be left."""
