"""One cell: a method gets its copy and its data, what comes back is measured; no other cell is known."""
