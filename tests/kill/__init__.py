"""Ending a server without warning, again and again, and counting what is lost."""
