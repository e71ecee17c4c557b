"""The microscope's own program acquires; this one watches its folder."""
