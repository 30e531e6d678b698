"""What came out: records, their aggregation, and the tables made from them."""
