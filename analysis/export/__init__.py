"""What has been recorded as files that other programs read."""
