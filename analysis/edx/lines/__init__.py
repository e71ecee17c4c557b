"""The lines in a spectrum: what is known of them before, which are there, and how many counts each has."""
