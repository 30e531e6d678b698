"""Short forms of a leaderboard: a sentence, a table that fits a terminal, the README's block, an overview."""
