"""``python -m controller.cli``."""

from __future__ import annotations

from controller.cli import main

main()
