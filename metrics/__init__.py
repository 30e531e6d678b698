"""How a method is judged: one file, one quantity; `base` is the contract, `shared` holds no metrics."""
