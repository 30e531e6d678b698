"""Who competes: one file, one class, one paper."""
