"""What the data say: alignment, reconstruction, alloying, diffusion."""
