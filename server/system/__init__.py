"""The operating system as the server uses it, behind interfaces that tests can make fail."""
