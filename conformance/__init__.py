"""Runs tensor programs on several backends, observes what a user could see, and compares it with PyTorch."""
