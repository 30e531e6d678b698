"""What is run: data, suites, the referee, the sweep, tuning, and the command line above them."""
