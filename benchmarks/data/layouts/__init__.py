"""How images lie on disk or in a cache, with the official splits; nothing is downloaded here."""
