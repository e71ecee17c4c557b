"""What real sessions have and the plain twin has not; nothing here knows how the analysis treats it."""
