"""Commands on hashes and on the expiry of single fields."""
