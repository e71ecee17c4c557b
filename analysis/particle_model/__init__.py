"""A particle as surfaces, levels and surroundings, and what a tilt series of it shows."""
