"""Errors raised by storage. The texts that clients see belong to `commands`."""


class StorageError(Exception):
    """Base of all errors that storage raises for callers to handle."""


class WrongType(StorageError):
    """The key holds a value of another type than the one requested."""
