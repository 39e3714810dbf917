"""Scripts for the comparison of keyspace events: every command that writes, in every outcome."""

from __future__ import annotations

from tests.differential.scripts import Script


def _script(text: str) -> Script:
    """Read commands that are separated by semicolons."""
    return [tuple(each.split()) for each in text.strip().split(";")]


def _on_expired(*commands: str) -> Script:
    """Run each of these after `e` has expired and before a timer removes it."""
    texts = ["DEBUG SET-ACTIVE-EXPIRE 0"]
    for each in commands:
        texts += ["DEL e", "SET e 1 PX 1", "DEBUG SLEEP 0.005", each]
    return _script(";".join([*texts, "DEBUG SET-ACTIVE-EXPIRE 1"]))


CASES: dict[str, Script] = {
    "strings": _script(
        """
        SET a 1; SET a 2; SET a 3 EX 100; SET a 3 KEEPTTL; SET a 3 NX; SET a 3 PX 1000000 GET;
        SETNX b 1; SETNX b 1; SETEX b 100 x; PSETEX b 100000 x; GETSET b y; GETSET newb y; GETDEL
        newb; GETDEL newb; GETEX b; GETEX b EX 100; GETEX b PERSIST; GETEX b PERSIST; MSET a 1 b 2
        c 3; MSETNX a 1 d 2; MSETNX d 1 e 2; MSETEX 2 x 1 y 2 EX 100
        """
    ),
    "strings changed in place": _script(
        """
        APPEND a x; APPEND q x; APPEND q; SETRANGE q 3 abc; SETRANGE q2 3 abc; SETRANGE q3 0; INCR
        n; INCRBY n 4; DECR n; DECRBY n 2; INCRBYFLOAT n 1.5; INCRBYFLOAT nf 1.5; SETBIT bits 3 1;
        SETBIT bits 3 1; BITOP AND dst bits nosuch; BITOP AND dst nosuch nosuch2; BITOP NOT dst
        bits; BITFIELD bf SET u8 0 1 INCRBY u8 0 1; BITFIELD bf GET u8 0; BITFIELD bf2 INCRBY u2 0
        100 OVERFLOW FAIL; BITFIELD_RO bf GET u8 0
        """
    ),
    "hyperloglogs": _script(
        """
        PFADD h1 a b; PFADD h1 a b; PFADD h1; PFADD h3; PFCOUNT h1; PFCOUNT h1 h3; PFMERGE h2 h1;
        PFMERGE h2 nosuch
        """
    ),
    "conditions of Valkey": _script(
        """
        DELIFEQ a x; SET a x; SET a x IFEQ x; DELIFEQ a x
        """
    ),
    "lists": _script(
        """
        RPUSH l a b c; LPUSH l z; LPUSHX l z; RPUSHX nosuch z; LINSERT l BEFORE a x; LINSERT l
        BEFORE nosuch x; LSET l 0 y; LREM l 0 y; LREM l 0 nosuch; LTRIM l 0 -1; LTRIM l 0 2; LPOP
        l; RPOP l 2; RPUSH l a b c; LTRIM l 5 1; LPOP l; RPOP nosuch; LPOP nosuch 2; RPUSH l a;
        LPOP l 0; RPOPLPUSH l l2; RPOPLPUSH l2 l2; LMOVE l2 l3 LEFT RIGHT; BLMOVE l3 l4 LEFT RIGHT
        0; BRPOPLPUSH l4 l5 0; BLPOP l5 0; RPUSH l 1 2 3; LMPOP 2 nosuch l LEFT COUNT 2; BLMPOP 0
        1 l LEFT COUNT 2
        """
    ),
    "sets": _script(
        """
        SADD s a b c; SADD s a; SREM s a; SREM s nosuch; SMOVE s t b; SMOVE s t nosuch; SMOVE t t
        b; SPOP s; SPOP nosuch; SADD s a b c d; SPOP s 2; SPOP s 0; SPOP s 10; SADD s a b c d;
        SADD t a; SPOP nosuch 10; SINTERSTORE d s t; SINTERSTORE d s nosuch; SINTERSTORE d s
        nosuch; SUNIONSTORE d s t; SDIFFSTORE d s t; SDIFFSTORE d s s; SUNIONSTORE s nosuch
        """
    ),
    "reads of missing keys": _script(
        """
        GET nosuch; MGET a b; EXISTS nosuch; TTL nosuch; PTTL nosuch; EXPIRETIME nosuch; TYPE
        nosuch; OBJECT ENCODING nosuch; OBJECT FREQ nosuch; OBJECT IDLETIME nosuch; OBJECT
        REFCOUNT nosuch; MEMORY USAGE nosuch; STRLEN nosuch; TOUCH nosuch; BITCOUNT nosuch; BITPOS
        nosuch 1; GETBIT nosuch 1; GETRANGE nosuch 0 1; SUBSTR nosuch 0 1; PFCOUNT nosuch; LCS
        nosuch other; LPOS nosuch a; LRANGE nosuch 0 1; LLEN nosuch; LINDEX nosuch 0; SADD t a;
        SMEMBERS nosuch; SINTER nosuch t; SUNION nosuch t; SDIFF t nosuch; SINTERCARD 2 nosuch t;
        SISMEMBER nosuch a; SMISMEMBER nosuch a; SCARD nosuch; SRANDMEMBER nosuch; SRANDMEMBER
        nosuch 2; SCAN 0; SSCAN nosuch 0; ZADD z 1 a; ZRANGE nosuch 0 1; ZSCORE nosuch a; ZCARD
        nosuch; ZCOUNT nosuch 0 1; ZRANK nosuch a; ZMSCORE nosuch a; ZRANDMEMBER nosuch; ZUNION 2
        nosuch z; ZDIFF 2 z nosuch; ZINTER 2 z nosuch; ZINTERCARD 2 nosuch z; GEODIST nosuch a b;
        GEOPOS nosuch a; GEOHASH nosuch a; GEOSEARCH nosuch FROMLONLAT 1 1 BYRADIUS 1 km; HGET
        nosuch a; HGETALL nosuch; HLEN nosuch; HMGET nosuch a; HRANDFIELD nosuch; HSTRLEN nosuch
        a; HEXISTS nosuch a; HKEYS nosuch; HVALS nosuch; HSCAN nosuch 0; XREAD STREAMS nosuch 0;
        XREAD STREAMS nosuch $; XRANGE nosuch - +; XLEN nosuch; XINFO STREAM nosuch; XPENDING
        nosuch g; SORT nosuch; SORT_RO nosuch; DUMP nosuch; COPY nosuch b; RANDOMKEY
        """
    ),
    "sorted sets": _script(
        """
        ZADD z 1 a 2 b 3 c 4 d 5 e; ZADD z 1 a; ZADD z XX 2 a; ZADD z INCR 1 a; ZADD z NX INCR 1
        a; ZADD z CH 3 a 9 z; ZINCRBY z 1 a; ZINCRBY z 0 a; ZINCRBY newz 1 a; ZREM z a; ZREM z
        nosuch; ZREM newz a; ZPOPMIN z; ZPOPMAX z 1; ZPOPMIN z 0; ZMPOP 2 nosuch z MIN; BZMPOP 0 1
        z MAX; BZPOPMIN z 0; ZADD z 1 a 2 b 3 c 4 d 5 e; ZREMRANGEBYSCORE z 1 1; ZREMRANGEBYSCORE
        z 100 200; ZREMRANGEBYRANK z 0 0; ZREMRANGEBYLEX z - +; ZADD z 1 a 2 b 3 c 4 d 5 e; ZADD y
        1 a; ZUNIONSTORE zd 2 z y; ZINTERSTORE zd 2 z y; ZDIFFSTORE zd 2 z y; ZDIFFSTORE zd 2 z z;
        ZINTERSTORE zd 2 z nosuch; ZRANGESTORE zd z 0 1; ZRANGESTORE zd z 5 1; ZRANGESTORE zd
        nosuch 5 1; ZRANGE nosuch 0 1; ZSCORE nosuch a; ZCARD nosuch; ZRANDMEMBER nosuch; ZUNION 2
        nosuch z; ZINTERCARD 2 nosuch z
        """
    ),
    "geo": _script(
        """
        GEOADD g 13.36 38.11 a 15.08 37.50 b; GEOADD g 13.36 38.11 a; GEOADD g XX CH 13.37 38.12
        a; GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km; GEOSEARCHSTORE gd g FROMLONLAT 15 37
        BYRADIUS 200 km; GEOSEARCHSTORE gd g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST;
        GEOSEARCHSTORE gd g FROMLONLAT 80 37 BYRADIUS 1 km; GEOSEARCHSTORE gd nosuch FROMLONLAT 80
        37 BYRADIUS 1 km; GEORADIUS g 15 37 200 km STORE gd; GEORADIUSBYMEMBER g a 200 km STORE
        gd; GEORADIUS g 80 37 1 km STORE gd; GEORADIUS nosuch 80 37 1 km STORE gd
        """
    ),
    "hashes": _script(
        """
        HSET h a 1 b 2; HSET h a 1; HMSET h c 3; HSETNX h d 4; HSETNX h d 4; HSETNX h2 d 4;
        HINCRBY h a 1; HINCRBY h3 a 1; HINCRBYFLOAT h a 1.5; HINCRBYFLOAT h4 a 1.5; HDEL h a
        nosuch; HDEL h nosuch; HDEL h2 d
        """
    ),
    "fields that expire": _script(
        """
        HSET h a 1 b 2 c 3 d 4; HEXPIRE h 100 FIELDS 1 b; HEXPIRE h 100 FIELDS 2 b nosuch; HEXPIRE
        nosuch 100 FIELDS 1 b; HPEXPIRE h 100000 FIELDS 1 b; HEXPIREAT h 1 FIELDS 1 b; HSET h b 1;
        HEXPIREAT h 4102444800 FIELDS 2 b c; HPEXPIREAT h 4102444800000 FIELDS 1 b; HPERSIST h
        FIELDS 1 b; HPERSIST h FIELDS 1 b; HPERSIST nosuch FIELDS 1 b; HTTL h FIELDS 1 b; HTTL
        nosuch FIELDS 1 b; HSETEX h EX 100 FIELDS 1 b 1; HSETEX h FIELDS 1 b 1; HSETEX h KEEPTTL
        FIELDS 1 b 1; HSETEX h5 EX 100 FIELDS 1 b 1; HSETEX h FNX EX 100 FIELDS 1 b 1; HSETEX h
        FXX EX 100 FIELDS 1 b 1; HSETEX h EXAT 1 FIELDS 1 b 1; HSETEX h EXAT 1 FIELDS 2 b 1 new 2;
        HSETEX h6 EXAT 1 FIELDS 1 b 1; HGETEX h FIELDS 1 c; HGETEX h EX 100 FIELDS 1 c; HGETEX h
        PERSIST FIELDS 1 c; HGETEX h PERSIST FIELDS 1 c; HGETEX h EXAT 1 FIELDS 1 c; HGETEX nosuch
        EX 100 FIELDS 1 c; HGETDEL h FIELDS 1 d; HGETDEL h FIELDS 1 nosuch; HGETDEL nosuch FIELDS
        1 d; HKEYS h; HEXPIRE h5 0 FIELDS 1 b; HSET h7 a 1; HEXPIREAT h7 1 FIELDS 1 a
        """
    ),
    "streams": _script(
        """
        XADD st 1-1 a b; XADD st 2-1 a b; XADD st MAXLEN 1 3-1 a b; XADD st NOMKSTREAM 4-1 a b;
        XADD nosuch NOMKSTREAM 4-1 a b; XTRIM st MAXLEN 1; XTRIM st MAXLEN 1; XTRIM st MAXLEN 0;
        XADD st 5-1 a b; XADD st 6-1 a b; XDEL st 5-1; XDEL st 5-1; XSETID st 7-1; XGROUP CREATE
        st g1 0; XGROUP CREATE st g1 0; XGROUP CREATE st2 g1 0 MKSTREAM; XGROUP CREATECONSUMER st
        g1 c1; XGROUP CREATECONSUMER st g1 c1; XREADGROUP GROUP g1 c1 STREAMS st >; XREADGROUP
        GROUP g1 c2 STREAMS st >; XREADGROUP GROUP g1 c2 STREAMS st 0; XREADGROUP GROUP g1 c5
        STREAMS st 0; XADD st 8-1 a b; XREADGROUP GROUP g1 c3 NOACK STREAMS st >; XPENDING st g1;
        XCLAIM st g1 c4 0 6-1; XCLAIM st g1 c4 0 6-2; XAUTOCLAIM st g1 c6 0 0; XACK st g1 6-1;
        XACK st g1 6-1; XGROUP SETID st g1 0; XGROUP DELCONSUMER st g1 c1; XGROUP DELCONSUMER st
        g1 c1; XGROUP DESTROY st g1; XREADGROUP GROUP g1 c1 STREAMS nosuch >
        """
    ),
    "keys": _script(
        """
        SET a 1; SET b 2; DEL a nosuch b; UNLINK a; SET a 1; UNLINK a; SET a 1; EXPIRE a 100;
        EXPIRE a 100 NX; PEXPIRE a 100000; EXPIREAT a 4102444800; PEXPIREAT a 4102444800000;
        EXPIRE nosuch 1; PERSIST a; PERSIST a; SET a 1; SET a 1; TOUCH a nosuch; RENAME a b; SET a
        1; RENAME a b; RENAME b b; RENAME nosuch b; RENAMENX b c; SET b 1; RENAMENX b c; COPY b d;
        COPY b d; COPY b d REPLACE; COPY b b2 DB 1; COPY nosuch b; MOVE b 1; MOVE b 1; SELECT 1;
        SET x 1; MOVE x 0; SELECT 0; RPUSH l 3 1 2; SORT l; SORT l STORE sd; SORT nosuch STORE sd;
        SORT nosuch STORE sd; SORT nosuch; SORT_RO nosuch; SET p x; TTL nosuch; PTTL nosuch;
        EXPIRETIME nosuch; EXISTS a nosuch; OBJECT FREQ nosuch; OBJECT IDLETIME nosuch; OBJECT
        REFCOUNT nosuch; MEMORY USAGE nosuch; RANDOMKEY; SWAPDB 0 1; SWAPDB 0 1; FLUSHDB; SET a 1;
        FLUSHALL
        """
    ),
    "transactions and scripts": _script(
        """
        MULTI; SET a 1; RPUSH l a b; GET nosuch; EXEC; EVAL
        redis.call('set','a','2')redis.call('get','nosuch')redis.call('del','a') 0; EVAL
        return(redis.call('lpop','l')) 0; MULTI; INCR n; DISCARD; SET a 1; WATCH a; SET a 2;
        MULTI; SET a 3; EXEC
        """
    ),
    "times in the past": _script(
        """
        SET a 1; SET a 3 EXAT 1; SET a 4; GETEX a EXAT 1; SET a 1; EXPIRE a 0; SET a 1; EXPIREAT a
        1; SET a 1; PEXPIRE a -1
        """
    ),
    "keys found to be expired": _on_expired(
        "GET e",
        "SET e 2",
        "SET e 2 KEEPTTL",
        "EXISTS e",
        "DEL e",
        "UNLINK e",
        "SETNX e 1",
        "RPUSH e 1",
        "TTL e",
        "RENAME e f",
        "MSET e 1 f 2",
        "KEYS *",
        "SCAN 0 COUNT 100",
        "PERSIST e",
        "APPEND e x",
        "GETSET e x",
        "GETDEL e",
        "OBJECT ENCODING e",
        "EXPIRE e 100",
        "INCR e",
        "TOUCH e",
        "TYPE e",
        "COPY e f",
        "SUNIONSTORE e nosuch",
        "ZUNIONSTORE e 1 nosuch",
        "BITOP NOT e nosuch",
        "SORT nosuch STORE e",
        "SADD s a",
        "SUNIONSTORE e s",
        "SET q 1",
        "RENAME q e",
        "SET q 1",
        "COPY q e",
        "SET q 1",
        "BITOP NOT e q",
        "SET q 1",
        "RENAMENX q e",
        "SET q 1",
        "MOVE e 1",
        "XADD e 1-1 a b",
        "HSET e a 1",
        "ZADD e 1 a",
        "LPUSHX e a",
        "SMOVE s e a",
        "SETRANGE e 0 a",
        "SETBIT e 0 1",
        "PFADD e a",
        "GEOADD e 1 1 a",
    ),
}
