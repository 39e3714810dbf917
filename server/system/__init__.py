"""The edge to the operating system, behind interfaces that tests can make fail."""
