"""What is kept: frames on disk, and ledgers of heat and dose."""
