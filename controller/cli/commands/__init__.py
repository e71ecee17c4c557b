"""One file per command; a new one is found by being here."""
