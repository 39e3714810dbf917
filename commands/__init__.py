"""What each command means: one file per family, plain functions, no sockets, no await.

- `registry`: the declaration beside every handler, and all that is derived from it.
- `arguments`, `numbers`, `patterns`: reading what a client sent.
- `replies`, `effects`, `errors`: what a handler can answer.
- `state/`: what handlers may see of the instance and the client besides the keys.
- everything else: a family of commands under its own name.
"""
