"""Keeping the data on disk: snapshots, the log of writes, and loading both.

`keeper` is what the rest of the server talks to: it loads at the start, is told of every
turn and tick, carries out what SAVE and its kin ask for, and saves at the end. Behind it
stand `log` (the open log and its promises), `snapshots` (writing one), `rewriting` (the log
anew), `children` (processes that write while clients are served), `loading` (from files to
keys) and `files` (names, and replacing a file as a whole).
"""
