"""What the embedded datasets show, drawn from seeds, with captions; no dataset class, no model."""
