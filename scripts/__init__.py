"""Programs for development. Run them from the root of the checkout with `python -m`."""
