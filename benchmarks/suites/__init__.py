"""The suites, a TOML file each, and their reader; which cells they come to is the sweep's business."""
