"""How the spec of a dataset begins that is no name: the kind of place where its images are."""

FOLDER_PREFIX = "folder:"
"""One folder for each class."""

DOMAINS_PREFIX = "domains:"
"""`<domain>/<class>/`."""

CAPTIONS_PREFIX = "captions:"
"""Images with a file of captions."""

HUB_PREFIX = "hf:"
"""The cache of the Hugging Face hub."""
