"""One file per command; imported when the command runs, so that `--help` and `list` stay quick."""
