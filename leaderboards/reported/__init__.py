"""The numbers of the main paper as it prints them, and what was measured beside them."""
