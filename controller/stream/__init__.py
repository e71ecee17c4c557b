"""The session on ZeroMQ, and the analysis process that listens."""
