"""Redkeep measured side by side with a reference server: `scripts/bench`.

Every figure is a ratio, because absolute figures say more about the machine than about the
server. Both servers run for the whole benchmark, pinned to the same core, while the load runs
on another; they are measured in alternation, and the table shows the median of the ratios of
each pair. On a shared machine even these ratios vary by some percent from run to run.

    __main__    the command line: runs groups of measurements, prints and writes the table
    session     the two servers, and what all groups measure them with
    workloads/  one module per group of measurements
    servers     starting and stopping a server
    drivers     connections and redis-benchmark
    sampling    alternation, medians
    rows        rows of the table, and how they are printed
    cores       which core runs what

Imports go down this list, never up.
"""
