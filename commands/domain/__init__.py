"""The families beyond Redis: JOB, MODEL, CP, STORE, QUEUE, ML, and what they share.

A handler of these families reads and writes data only by calling ordinary commands
(`Context.call`; `calls` has typed forms of it) and by reading ranges of keys
(`ctx.db.ordered`), as a Redis script would. So its data are ordinary strings, hashes, sorted
sets and streams, which any client can read and a stock server can load, and it is logged as
the commands it called. Handlers keep no state of their own. Each one checks everything
before it writes: an error changes nothing.
"""

from commands.engine.key_layouts import declare_layout
from commands.engine.registry import declare_group

# Keys of jobs, models, queues and events begin with it. CP and STORE have layouts that
# other programs use, too.
OWN_PREFIX = b"redkeep:"

declare_layout(OWN_PREFIX)
declare_group("job", "Jobs")
declare_group("model", "Models")
declare_group("checkpoint", "Checkpoints")
declare_group("store", "Memory store")
declare_group("queue", "Queues")
