"""Models given back in the formats that people use, with a card, here or on the hub."""
