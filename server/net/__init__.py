"""Sockets, connections, and the turn of the loop that serves them."""
