"""A believable world: particles that alloy, a chip that heats them, a microscope that sees them."""
