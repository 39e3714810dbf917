"""Commands on keys of any type: existence, names, expiry, SCAN, SORT, DUMP."""
