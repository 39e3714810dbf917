"""Keeping the data on disk: snapshots, the log of writes, and loading both.

`keeper` is what the rest of the server talks to: it decides what is written when, and carries
out SAVE and its relatives. Behind it are:

- starting: `starting` (lock, load, open the log), `loading` (from files to keys)
- the log: `log` (batches, policy, retries), `open_files` (the current file and older ones),
  `log_file` (the sync state of one file), `disk` (the system calls), `rewriting` (bases,
  increments and the manifest)
- background tasks: `background` (one task at a time), `snapshot_task` and `rewrite_task`
  (what is written), `children` and `copier` (how: forked, or in slices)
- helpers: `snapshots` (encoding the data), `files` (names, replacing a file), `inspection`
  (for `redkeep check`)

No module in here imports `keeper`.
"""
