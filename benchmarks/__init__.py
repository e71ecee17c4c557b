"""Speed as ratios against a peer or the machine, and whole runs scored against a truth."""
