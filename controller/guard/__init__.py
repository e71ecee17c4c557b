"""The chip behind its guard, in this process or in one of its own."""
