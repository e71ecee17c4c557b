"""From a tilt series to a volume: alignment, projection, reconstruction."""
