"""Leaderboards to look at in a browser: one file that needs no network, or a site of many pages."""
