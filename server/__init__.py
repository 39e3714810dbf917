"""Sockets and time: everything that waits.

A request goes bytes -> `protocol` -> `dispatch` -> a handler in `commands` -> the keyspace
in `storage`; its reply goes through `encoder` into the client's outbox, which the
`reactor` sends once per turn.
"""
