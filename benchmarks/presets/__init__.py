"""Hyperparameters for the models that come with the package, a TOML file each, and their reader."""
