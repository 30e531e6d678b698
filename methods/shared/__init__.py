"""What several methods extend; nothing here is a method, and nothing here is listed."""
