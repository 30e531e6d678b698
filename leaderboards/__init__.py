"""What came out: records, statistics, tables, reported and published numbers; `publish` keeps them in step."""
