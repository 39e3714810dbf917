"""The families beyond Redis: JOB, MODEL, CP, STORE, QUEUE, ML, and what they share."""
