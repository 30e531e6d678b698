"""The commands that train the embedded models and publish what retrained ones predict; no drawing."""
