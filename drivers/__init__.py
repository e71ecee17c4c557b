"""What a device is: interfaces, frames, clocks, limits, errors, and the registry that loads backends by name."""
