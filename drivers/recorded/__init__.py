"""What has been recorded: the session folder, its journal and frames, and tilt series of other programs."""
