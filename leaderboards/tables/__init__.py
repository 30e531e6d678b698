"""From rows to what is read: tables, captions, plots and pages; no number is computed here."""
