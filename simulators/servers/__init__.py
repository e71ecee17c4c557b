"""Servers that answer on vendors' wires as their instruments would, with the twin behind them."""
