"""What has to be fetched before a dataset can be read, and what a user sees meanwhile."""
