"""What storage refuses, without words: `commands` owns the texts that clients see."""


class StorageError(Exception):
    """Base of every refusal that comes from below the commands."""


class WrongType(StorageError):
    """The key holds a value of another type than the one asked for."""
