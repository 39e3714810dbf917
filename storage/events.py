"""The events of keys: their names in Redis, and the class of each.

The class letter is the one that `notify-keyspace-events` uses. Every change passes its event
to the database, which reports it to notifications, client tracking and the log.
"""

GENERIC, STRING, LIST, SET, HASH, SORTED_SET, STREAM = "g", "$", "l", "s", "h", "z", "t"
EXPIRED, EVICTED, NEW, MISS = "x", "e", "n", "m"
# Changes of stored bytes that Redis does not report: no setting has this letter.
SILENT = "-"

EVENT_CLASSES: dict[str, str] = {
    name: letter
    for letter, names in {
        GENERIC: "del rename_from rename_to move_from move_to copy_to restore expire persist",
        STRING: "set setrange incrby incrbyfloat append setbit pfadd",
        LIST: "lpush rpush lpop rpop linsert lset lrem ltrim sortstore",
        SET: "sadd srem spop sinterstore sunionstore sdiffstore",
        HASH: "hset hincrby hincrbyfloat hdel hexpire hexpired hpersist",
        SORTED_SET: (
            "zadd zincr zrem zremrangebyscore zremrangebyrank zremrangebylex zpopmin zpopmax "
            "zrangestore zunionstore zinterstore zdiffstore geosearchstore georadiusstore"
        ),
        STREAM: (
            "xadd xtrim xdel xsetid xgroup-create xgroup-createconsumer xgroup-delconsumer "
            "xgroup-destroy xgroup-setid"
        ),
        EXPIRED: "expired",
        EVICTED: "evicted",
        NEW: "new",
        MISS: "keymiss",
        SILENT: "pfcount",
    }.items()
    for name in names.split()
}
