"""How the outlines were learned: drawn images, the network, the training."""
