"""How fast the suite is, measured against the straightforward way on the same cells in one run."""
