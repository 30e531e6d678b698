"""Who competes: one file, one class, one paper; `base` is the contract, `shared` holds no methods."""
