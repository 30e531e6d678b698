"""Whether a model of somebody's own keeps the contract of `Clip`, what it is made of, and which methods take it."""
