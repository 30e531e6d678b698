"""How fast the suite is, measured side by side with the straightforward way; nothing is tested here."""
