"""What several metrics compute with; nothing here is a metric, and nothing here is listed."""
