"""Datasets by name: the contract, layouts, the embedded ones, fetching; no model is known here."""
