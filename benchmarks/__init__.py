"""What is run: suites, data, the referee, the sweep, and the command line."""
