"""Random sessions, generated per data type.

Each family module exposes `COMMANDS`, a strategy of commands made with the words of
`grammar`: arguments valid and not, over few keys. `session` runs them on Redkeep and on
the oracle, in transactions, pipelines and from two clients, and compares every reply and
the data at the end.
"""
