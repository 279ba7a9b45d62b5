"""What the client knows, as the types that the server answers with: text that can be shown, and bounded."""
