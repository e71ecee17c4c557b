"""Fick's law in a particle, and what it tells of D, of activation energies and of windows."""
