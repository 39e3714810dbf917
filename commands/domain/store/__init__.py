"""STORE.*: namespaced memory."""
