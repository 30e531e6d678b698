"""Records: what a run leaves behind, and how it is written, read and kept; no averages."""
