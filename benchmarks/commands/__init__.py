"""One file per command of the command line, imported when it runs, and the options that several share."""
