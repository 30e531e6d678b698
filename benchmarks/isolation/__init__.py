"""The room in which a method plays: a process of its own, what it may touch, and what crosses its door."""
