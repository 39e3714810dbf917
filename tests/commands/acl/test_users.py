"""ACL: defining users, logging in as them, and what follows for clients."""

from __future__ import annotations

import pytest

from commands.settings.kinds import SettingError
from commands.settings.settings import Settings
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

WRONG = Error("WRONGPASS invalid username-password pair or user is disabled.")
NO_KEY = Error("NOPERM No permissions to access a key")
NO_CHANNEL = Error("NOPERM No permissions to access a channel")


def log_in(server: RunningServer, *rules: str, resp: int = 2) -> Connection:
    """A client of the user u, who has these rules."""
    admin = server.connect()
    assert admin("ACL", "SETUSER", "u", "reset", "on", "nopass", *rules) == "OK"
    connection = server.connect(resp=resp)
    assert connection("AUTH", "u", "any") == "OK"
    return connection


def no_command(name: str) -> Error:
    return Error(f"NOPERM User u has no permissions to run the '{name}' command")


def test_a_new_user_is_off_and_may_do_nothing(client: Connection) -> None:
    assert client("ACL", "SETUSER", "u") == "OK"
    assert client("ACL", "LIST")[1] == b"user u off resetchannels -@all"
    assert client("AUTH", "u", "") == WRONG


def test_any_of_the_passwords_is_right(server: RunningServer, client: Connection) -> None:
    client("ACL", "SETUSER", "u", "on", ">one", ">two", "+acl|whoami")
    for password in ("one", "two"):
        assert client("AUTH", "u", password) == "OK"
        assert client("ACL", "WHOAMI") == b"u"
    assert client("AUTH", "u", "three") == WRONG
    assert client("ACL", "WHOAMI") == b"u"
    assert server.connect()("ACL", "SETUSER", "u", "<one") == "OK"
    assert client("AUTH", "u", "one") == WRONG


def test_an_error_in_one_rule_changes_nothing(client: Connection) -> None:
    client("ACL", "SETUSER", "u", "on", "+get")
    before = client("ACL", "LIST")
    assert isinstance(client("ACL", "SETUSER", "u", "off", "+@all", "bad"), Error)
    assert client("ACL", "LIST") == before
    assert isinstance(client("ACL", "SETUSER", "v", "bad"), Error)
    assert client("ACL", "USERS") == [b"default", b"u"]


def test_passwords_appear_nowhere(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "slowlog-log-slower-than", "0")
    monitor = server.connect()
    monitor("MONITOR")
    other = server.connect()
    other("ACL", "SETUSER", "u", "on", ">hidden1", "+acl", "+ping")
    other("AUTH", "u", "hidden2")
    other("HELLO", "3", "AUTH", "u", "hidden3")
    other("AUTH", "u", "hidden1")
    other("PING", "end")
    lines: list[object] = []
    while not lines or "end" not in str(lines[-1]):
        lines.append(monitor.read())
    seen = [
        *lines, client("SLOWLOG", "GET", "-1"), client("ACL", "LOG"), client("CLIENT", "LIST"),
        client("ACL", "GETUSER", "u"), client("ACL", "LIST"),
    ]  # fmt: skip
    assert "hidden" not in str(seen)


# --- commands, keys and channels -----------------------------------------------------------------


def test_commands_and_subcommands(server: RunningServer) -> None:
    client = log_in(server, "+@read", "-mget", "+config|get", "~*")
    assert client("GET", "k") is None
    assert client("MGET", "k") == no_command("mget")
    assert client("SET", "k", "v") == no_command("set")
    assert client("CONFIG", "GET", "port") != no_command("config|get")
    assert client("CONFIG", "SET", "timeout", "1") == no_command("config|set")


def test_a_first_argument(server: RunningServer) -> None:
    client = log_in(server, "+select|1", "+select|2")
    assert client("SELECT", 1) == "OK"
    assert client("SELECT", 2) == "OK"
    assert client("SELECT", 0) == no_command("select")


def test_keys_to_read_and_to_write(server: RunningServer) -> None:
    client = log_in(server, "+@all", "%R~r*", "%W~w*", "~b*")
    assert client("GET", "r") is None
    assert client("SET", "w", "1") == "OK"
    assert client("SET", "r", "1") == NO_KEY
    assert client("GET", "w") == NO_KEY
    assert client("SET", "w", "1", "GET") == NO_KEY
    assert client("SET", "b", "1", "GET") is None
    assert client("COPY", "r", "w") == 0
    assert client("COPY", "w", "r") == NO_KEY
    assert client("MSET", "b", "1", "x", "1") == NO_KEY
    assert client("EXISTS", "b", "x") == NO_KEY
    # It tells nothing of the value and changes nothing.
    assert client("EXISTS", "w", "r") == 1


def test_one_selector_must_grant_the_whole_request(server: RunningServer) -> None:
    client = log_in(server, "+get", "~a*", "(+set ~b*)", "(+mget ~*)")
    assert client("GET", "a") is None
    assert client("SET", "b", "1") == "OK"
    assert client("GET", "b") == NO_KEY
    assert client("SET", "a", "1") == NO_KEY
    assert client("MGET", "a", "b") == [None, b"1"]


def test_sort_with_patterns_needs_all_keys(server: RunningServer) -> None:
    client = log_in(server, "+@all", "~a*", "%W~*")
    denied = "option of SORT denied due to insufficient ACL permissions."
    assert client("SORT", "a", "BY", "w_*") == Error(f"ERR BY {denied}")
    assert client("SORT_RO", "a", "GET", "#") == Error(f"ERR GET {denied}")
    assert client("SORT", "a", "BY", "nosort") == []
    client = log_in(server, "+@all", "~a*", "%R~*")
    assert client("SORT", "a", "BY", "w_*", "GET", "x_*") == []


@pytest.mark.parametrize("channel", ["news", "news:1"])
def test_channels(server: RunningServer, channel: str) -> None:
    client = log_in(server, "+@all", "&news*")
    assert client("PUBLISH", channel, "m") == 0
    assert client("SPUBLISH", channel, "m") == 0
    assert client("PUBLISH", "other", "m") == NO_CHANNEL
    assert client("SPUBLISH", "other", "m") == NO_CHANNEL
    assert client("SUBSCRIBE", channel, "other") == NO_CHANNEL
    assert client("SSUBSCRIBE", "other") == NO_CHANNEL
    # A pattern must be that of a rule.
    assert client("PSUBSCRIBE", "news:*") == NO_CHANNEL
    assert client("PSUBSCRIBE", "news*") == [b"psubscribe", b"news*", 1]


def test_the_default_for_channels_is_a_setting(client: Connection) -> None:
    client("CONFIG", "SET", "acl-pubsub-default", "allchannels")
    client("ACL", "SETUSER", "u", "(+get)")
    assert client("ACL", "LIST")[1] == b"user u off &* -@all (&* -@all +get)"


# --- transactions, scripts and clients that wait -------------------------------------------------


def test_a_request_is_checked_when_it_is_queued(server: RunningServer) -> None:
    client = log_in(server, "+@all", "~a*")
    client("MULTI")
    assert client("GET", "b") == NO_KEY
    assert client("EXEC") == Error("EXECABORT Transaction discarded because of previous errors.")


def test_a_request_is_checked_again_at_exec(server: RunningServer, client: Connection) -> None:
    other = log_in(server, "+@all", "~*", "&*")
    other("MULTI")
    for request in (("GET", "a"), ("SET", "a", 1), ("PUBLISH", "c", "m"), ("PING",)):
        assert other(*request) == "QUEUED"
    client("ACL", "SETUSER", "u", "-set", "resetkeys", "resetchannels")
    replies = other("EXEC")
    changed = (
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
        "EXEC call. This command is no longer allowed for the following reason: no permission to "
    )
    assert replies == [
        Error(changed + "touch the specified keys"),
        Error(changed + "execute the command or subcommand"),
        Error(changed + "access one of the channels used as arguments"),
        "PONG",
    ]
    assert client("EXISTS", "a") == 0


def test_scripts_may_do_what_their_user_may(server: RunningServer, client: Connection) -> None:
    other = log_in(server, "+@all", "-incr", "~a*")
    assert other("EVAL", "return redis.call('SET', 'a', '1')", 0) == "OK"
    denied = other("EVAL", "return redis.call('SET', 'b', '1')", 0)
    assert denied.text.startswith("ERR ACL failure in script: No permissions to access a key")
    denied = other("EVAL", "return redis.pcall('INCR', 'a')", 0)
    assert denied.text == (
        "ERR ACL failure in script: User u has no permissions to run the 'incr' command"
    )
    assert client("EXISTS", "b") == 0
    assert other("EVAL", "return 1", 1, "b") == NO_KEY


def test_a_script_can_ask(server: RunningServer, client: Connection) -> None:
    other = log_in(server, "+@all", "~a*")
    ask = "return redis.acl_check_cmd(unpack(ARGV))"
    assert other("EVAL", ask, 0, "set", "a", "1") == 1
    assert other("EVAL", ask, 0, "set", "b", "1") is None
    assert "Invalid command passed to" in other("EVAL", ask, 0, "nope").text
    assert "Invalid command passed to" in other("EVAL", ask, 0, "config", "nope").text
    # Without the arguments that a command needs: valkey-server 9.1 crashes here.
    for words in (["set"], ["publish"], ["subscribe"], ["bitfield"], ["eval"], ["cp.get"]):
        assert other("EVAL", ask, 0, *words) in (1, None)
    assert client("ACL", "LOG") == []


def test_a_client_that_waits_is_checked_when_it_is_served(
    server: RunningServer, client: Connection
) -> None:
    other = log_in(server, "+@all", "~a*")
    server.block(other, "BLPOP", "a", 0)
    client("ACL", "SETUSER", "u", "resetkeys")
    client("RPUSH", "a", "x")
    assert other.read() == NO_KEY
    assert client("LLEN", "a") == 1


# --- running clients -----------------------------------------------------------------------------


def test_clients_of_a_removed_user_are_disconnected(
    server: RunningServer, client: Connection
) -> None:
    other, waiting = log_in(server, "+@all", "~*"), server.connect()
    waiting("AUTH", "u", "")
    server.block(waiting, "BLPOP", "a", 0)
    assert client("ACL", "DELUSER", "u", "nobody") == 1
    assert other.read_until_closed() == []
    assert waiting.read_until_closed() == []
    assert client("ACL", "DELUSER", "default") == Error("ERR The 'default' user cannot be removed")


def test_a_user_can_remove_itself(server: RunningServer, client: Connection) -> None:
    other = log_in(server, "+@all", "~*")
    other.send_raw(b"MULTI\r\nACL DELUSER u\r\nSET k v\r\nEXEC\r\nSET l v\r\n")
    replies = other.read_until_closed()
    assert replies[:3] == ["OK", "QUEUED", "QUEUED"]
    assert replies[3][0] == 1
    assert isinstance(replies[3][1], Error)
    assert len(replies) == 4
    assert client("EXISTS", "k", "l") == 0


def test_only_subscribers_of_channels_taken_away_are_disconnected(
    server: RunningServer, client: Connection
) -> None:
    one = log_in(server, "+@all", "&a*", "&b")
    one("SUBSCRIBE", "b")
    two = server.connect()
    two("AUTH", "u", "")
    two("PSUBSCRIBE", "a*")
    client("ACL", "SETUSER", "u", "resetchannels", "&b", "&c")
    assert two.read_until_closed() == []
    assert one("PING") == [b"pong", b""]


def test_a_user_that_is_off_keeps_its_clients(server: RunningServer, client: Connection) -> None:
    other = log_in(server, "+ping")
    client("ACL", "SETUSER", "u", "off")
    assert other("PING") == "PONG"
    assert other("AUTH", "u", "") == WRONG


def test_changed_rules_hold_at_once(server: RunningServer, client: Connection) -> None:
    other = log_in(server, "+@all", "~*", "&*")
    assert other("GET", "k") is None
    client("ACL", "SETUSER", "u", "-get")
    assert other("GET", "k") == no_command("get")
    client("ACL", "SETUSER", "u", "+@all")
    assert other("GET", "k") is None
    assert not server.call(lambda: any(each.guards for each in server.instance.clients.values()))


def test_clients_by_user(server: RunningServer, client: Connection) -> None:
    other = log_in(server, "+ping")
    assert b" user=u " in client("CLIENT", "LIST", "USER", "u")
    assert client("CLIENT", "KILL", "USER", "nobody") == Error("ERR No such user 'nobody'")
    assert client("CLIENT", "KILL", "USER", "u") == 1
    assert other.read_until_closed() == []


# --- the default user and requirepass ------------------------------------------------------------


def test_requirepass_is_the_password_of_the_default_user(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "requirepass", "one")
    assert b" nopass " not in client("ACL", "LIST")[0]
    stranger = server.connect()
    assert stranger("PING") == Error("NOAUTH Authentication required.")
    assert stranger("AUTH", "two") == WRONG
    assert stranger("AUTH", "one") == "OK"
    client("ACL", "SETUSER", "default", "resetpass", ">two")
    assert server.connect()("AUTH", "one") == WRONG
    assert server.connect()("AUTH", "two") == "OK"
    client("CONFIG", "SET", "timeout", "5")
    assert server.connect()("AUTH", "two") == "OK"
    waiting = server.connect()
    client("ACL", "SETUSER", "default", "nopass")
    assert waiting("PING") == "PONG"
    assert server.connect()("PING") == "PONG"


def test_a_change_of_requirepass_that_is_taken_back_leaves_the_user_alone(
    server: RunningServer, client: Connection
) -> None:
    def refuse(value: int) -> None:
        if value == 7:
            raise SettingError("seven is not possible")

    server.call(server.instance.settings.on_change, Settings.timeout, refuse)
    client("ACL", "SETUSER", "default", ">own")
    before = client("ACL", "LIST")
    assert isinstance(client("CONFIG", "SET", "requirepass", "new", "timeout", "7"), Error)
    assert client("ACL", "LIST") == before
    assert server.connect()("AUTH", "new") == WRONG
    assert server.connect()("AUTH", "own") == "OK"


def test_a_restricted_default_user(server: RunningServer, client: Connection) -> None:
    client("ACL", "SETUSER", "admin", "on", ">p", "+@all", "~*", "&*")
    client("ACL", "SETUSER", "default", "-@all", "+ping")
    other = server.connect()
    assert other("PING") == "PONG"
    denied = "NOPERM User default has no permissions to run the 'get' command"
    assert other("GET", "k") == Error(denied)
    assert client("GET", "k") == Error(denied)
    assert other("AUTH", "admin", "p") == "OK"
    assert other("GET", "k") is None
    assert other("RESET") == "RESET"
    assert other("GET", "k") == Error(denied)


def test_a_default_user_that_is_off_requires_a_login(
    server: RunningServer, client: Connection
) -> None:
    client("ACL", "SETUSER", "admin", "on", ">p", "+@all", "~*", "&*")
    client("ACL", "SETUSER", "default", "off")
    assert client("PING") == "PONG"
    other = server.connect()
    assert other("PING") == Error("NOAUTH Authentication required.")
    assert other("HELLO", 2, "AUTH", "admin", "p")[0] == b"server"
    assert other("PING") == "PONG"
