"""Scripts: EVAL and its relatives, in a Lua that can reach nothing but the keyspace."""
