"""Kills a server again and again and counts the writes that are lost."""
