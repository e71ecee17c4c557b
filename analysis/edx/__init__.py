"""EDX: from spectrum images to composition with error bars, and to phases."""
