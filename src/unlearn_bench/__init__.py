"""A referee for unlearning in CLIP: methods play, and the score is what is forgotten at what cost."""

__version__ = "0.1.0"
