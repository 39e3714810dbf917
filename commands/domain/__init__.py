"""The families beyond Redis: JOB, MODEL, CP, STORE, QUEUE, ML, and what they share."""

from commands.engine.registry import declare_group

for _group in ("job", "model", "checkpoint", "store", "queue"):
    declare_group(_group)
