"""How a method is judged: one file, one quantity."""
