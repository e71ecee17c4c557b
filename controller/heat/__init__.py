"""Heat pulses, and how the analysis chooses them."""
