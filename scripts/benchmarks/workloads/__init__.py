"""The measurements, one module per group. Each yields the rows of its part of the table."""
