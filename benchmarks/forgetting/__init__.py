"""Forgetting for good: by words alone, one request after another, and written out with a card."""
