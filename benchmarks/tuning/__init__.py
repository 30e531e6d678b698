"""Hyperparameters found with equal budgets, on classes that no table reports."""
