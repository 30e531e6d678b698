"""Synthetic images, made from a model alone; keeping them on disk is `benchmarks/images`."""
