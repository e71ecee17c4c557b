"""Taking frames: the beam, tilt series, images, EDX maps, and how a particle is kept in the middle."""
