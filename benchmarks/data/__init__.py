"""Datasets: images by split with their class names, from this package, from folders, or from plug-ins."""
