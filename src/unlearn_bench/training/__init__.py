"""Losses, gradients, loops and projections that several methods share; no method and no data."""
