"""``python -m controller.cli``."""

from __future__ import annotations

from controller.cli.app import main

main()
