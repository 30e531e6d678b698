"""Many cells: from a suite to its cells, how long they will take, and running them side by side."""
