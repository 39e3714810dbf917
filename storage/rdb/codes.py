"""The numbers of the format: versions, opcodes, and value types."""

from __future__ import annotations

# --- versions ----------------------------------------------------------------------------

# Written unless the data needs a later one: Redis 7.0 and everything newer reads it.
OLDEST_WRITTEN = 10
# The first version that stores both times of a stream's consumers (Redis 7.2).
CONSUMER_TIMES = 11
# The latest of Redis' own versions that we read (Redis 7.4).
YOUNGEST_REDIS = 12
# Valkey 9's version, whose files begin with its own name. Hashes with field deadlines are
# written in its form, because no Valkey reads that of Redis 7.4.
VALKEY = 80

REDIS_MAGIC, VALKEY_MAGIC = b"REDIS", b"VALKEY"
MAGIC_LENGTH = 9


def is_readable(version: int) -> bool:
    return 1 <= version <= YOUNGEST_REDIS or version == VALKEY


# --- opcodes -------------------------------------------------------------------------------

SLOT_IMPORT = 243
SLOT_INFO = 244
FUNCTION = 245
FUNCTION_DRAFT = 246
MODULE_AUX = 247
IDLE = 248
FREQUENCY = 249
FACT = 250
SIZES = 251
EXPIRES_MS = 252
EXPIRES_S = 253
SELECT = 254
END = 255

# --- value types ---------------------------------------------------------------------------

STRING = 0
LIST = 1
SET = 2
SORTED_SET_TEXT = 3
HASH = 4
SORTED_SET = 5
MODULE_DRAFT = 6
MODULE = 7
HASH_ZIPMAP = 9
LIST_ZIPLIST = 10
SET_INTSET = 11
SORTED_SET_ZIPLIST = 12
HASH_ZIPLIST = 13
LIST_OF_ZIPLISTS = 14
STREAM_1 = 15
HASH_LISTPACK = 16
SORTED_SET_LISTPACK = 17
LIST_OF_LISTPACKS = 18
STREAM_2 = 19
SET_LISTPACK = 20
STREAM_3 = 21
# 22 is Valkey's in its own versions, and in Redis' versions a draft of 24.
HASH_DEADLINES_VALKEY = HASH_DEADLINES_DRAFT = 22
HASH_LISTPACK_DEADLINES_DRAFT = 23
HASH_DEADLINES = 24
HASH_LISTPACK_DEADLINES = 25

# The nodes of a list of listpacks.
PLAIN_NODE, PACKED_NODE = 1, 2

# --- lengths and strings -------------------------------------------------------------------

# The two highest bits of a first byte: the width of a length, or a special string.
LENGTH_6, LENGTH_14, LENGTH_MORE, SPECIAL = 0, 1, 2, 3
LENGTH_32, LENGTH_64 = 0x80, 0x81
INT8, INT16, INT32, LZF = 0xC0, 0xC1, 0xC2, 0xC3
