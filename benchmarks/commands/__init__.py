"""One file per command of the command line; each is imported when it runs, so that `--help` stays quick."""
