"""The state of an instance besides its keys, as plain objects without a socket.

`server/` drives these and gives clients their wires; handlers read and change them
through their context. `instance` holds one of each, so that a process can serve many
instances and nothing lives in a module.
"""
