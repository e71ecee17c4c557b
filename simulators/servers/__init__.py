"""Simulated instruments that are reached by their vendors' own wires."""
