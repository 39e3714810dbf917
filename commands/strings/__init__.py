"""Commands on strings, and on what is stored as one: counters, bitmaps, HyperLogLogs."""
