"""Commands on sorted sets, and on places on Earth, which are stored as such."""
