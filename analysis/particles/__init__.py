"""Which particles are in an image, what they measure, and which they were in the image before."""
