"""From volumes to the degree of alloying and the diffusion coefficient."""
