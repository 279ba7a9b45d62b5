"""What a notebook sees: magics, the card, placeholders. It parses, shows and delegates to `Client`."""
