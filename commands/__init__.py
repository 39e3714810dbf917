"""What each command means: plain functions, no sockets, no await.

- `engine/`: what every family uses: declarations, options, replies, effects, errors, numbers.
- `settings/`: the settings of an instance.
- `instance/`: the state of one server besides its keys: instance, clients, context.
- `families`: the list of modules that declare commands.
- Every other folder is a family of commands.

Imports go families → instance → settings and engine; no family imports another.
"""
