"""COMMANDLOG, which only Valkey has."""

LATER_THAN_REDIS_7_0 = True

CASES = {
    "errors": [
        ("COMMANDLOG", "GET", "abc", "slow"),
        ("COMMANDLOG", "GET", -2, "slow"),
        ("COMMANDLOG", "GET", 1, "foo"),
        ("COMMANDLOG", "GET", "x", "foo"),
        ("COMMANDLOG", "GET", 1),
        ("COMMANDLOG", "LEN", "foo"),
        ("COMMANDLOG", "RESET", "foo"),
        ("COMMANDLOG", "FOO"),
    ],
    "large": [
        ("COMMANDLOG", "RESET", "large-request"),
        ("COMMANDLOG", "RESET", "large-reply"),
        ("CONFIG", "SET", "commandlog-request-larger-than", 5000),
        ("CONFIG", "SET", "commandlog-reply-larger-than", 6000),
        ("SET", "k", "x" * 6000),
        ("SET", "small", "x" * 40),
        ("GET", "k"),
        ("GET", "small"),
        ("MULTI",),
        ("GET", "k"),
        ("EXEC",),
        ("COMMANDLOG", "LEN", "LARGE-REQUEST"),
        ("COMMANDLOG", "LEN", "large-reply"),
        ("COMMANDLOG", "LEN", "slow"),
        ("CONFIG", "SET", "commandlog-request-larger-than", 1048576),
        ("CONFIG", "SET", "commandlog-reply-larger-than", 1048576),
    ],
}
