"""Commands on sorted sets and on geospatial indexes, which are stored as sorted sets."""
