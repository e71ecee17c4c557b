"""Files that people bring, and the one way to read them."""
