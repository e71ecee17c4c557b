"""A session's stream in, results out: live, from a recording, or from old files."""
