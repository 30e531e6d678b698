"""What a dataset is: pictures by split with class names, perhaps in domains; no layout on disk."""
