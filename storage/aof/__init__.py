"""The log of writes in Redis' format: a directory of files and a manifest that lists them.

- `manifest`: which files make up the log, and in what order.
- `encoder`: requests to bytes. `reader`: bytes to requests.
- `rebuild`: the requests that recreate a value. `writer`: a whole keyspace as requests.
- `errors`: damaged manifests and logs.

Nothing here opens or writes a file: the server and the command-line tools do.
"""
