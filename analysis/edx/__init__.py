"""EDX: from spectrum images to composition with error bars (papers 000 and 001)."""
