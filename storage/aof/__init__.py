"""The log of writes in Redis' own form: a directory of files and a manifest that lists them.

`manifest` names the files and their order, `encoder` makes bytes of requests, `reader`
requests of bytes, and `rebuild` tells which requests make a value anew. Nothing here opens
or writes a file by itself: the server does, and the tools.
"""
