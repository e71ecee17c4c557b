"""What the screen is made of: a widget or a drawing per file."""
