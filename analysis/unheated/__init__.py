"""The unheated particle: its segmentation, the fit to its first tilt series, and what that leaves open."""
