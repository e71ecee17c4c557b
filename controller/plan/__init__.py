"""What is to happen: the session file, the steps that it asks for, their order, time and dose."""
