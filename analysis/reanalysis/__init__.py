"""Old data, few or many: manifests and session folders through the live pipeline, particle by particle."""
