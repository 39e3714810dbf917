"""The state of one server besides its keys: clients, statistics, logs, subscriptions.

Plain objects without a socket. `server/` drives them; handlers reach them through `context`.
"""
