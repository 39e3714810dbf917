"""QUEUE.*: messages under leases, and the presence of consumers."""
