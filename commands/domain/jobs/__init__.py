"""JOB.*: asynchronous work, claimed under leases."""
