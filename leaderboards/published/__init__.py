"""The published records, the tables and pictures made from them, and where each of them lies."""
