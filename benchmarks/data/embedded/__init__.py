"""The datasets that are drawn when they are first needed; the models trained on them are not here."""
