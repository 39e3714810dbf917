"""Files in the form of redis.conf: reading, applying, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commands.settings import config_file
from commands.settings.config_file import ConfigError, Directive
from commands.settings.kinds import SettingError
from commands.settings.settings import BY_NAME, TABLE, Settings


def _load(path: Path, text: str) -> Settings:
    path.write_text(text)
    settings = Settings()
    config_file.load(settings, str(path))
    return settings


def test_several_lines_of_a_setting_add_up(tmp_path: Path) -> None:
    settings = _load(
        tmp_path / "a.conf",
        "save 60 1\nSAVE 30 5\n"
        "client-output-buffer-limit pubsub 1mb 0 0\nclient-output-buffer-limit normal 5 4 3\n",
    )
    assert settings.text(Settings.save) == "60 1 30 5"
    assert settings.text(Settings.client_output_buffer_limit) == (
        "normal 5 4 3 slave 268435456 67108864 60 pubsub 1048576 0 0"
    )


def test_an_empty_save_takes_back_those_before_it(tmp_path: Path) -> None:
    assert _load(tmp_path / "a.conf", 'save 60 1\nsave ""\n').text(Settings.save) == ""
    assert _load(tmp_path / "b.conf", 'save ""\nsave 5 1\n').text(Settings.save) == "5 1"


def test_files_can_include_others(tmp_path: Path) -> None:
    (tmp_path / "one.inc").write_text("timeout 5\n")
    (tmp_path / "two.inc").write_text("hz 20\n")
    settings = _load(tmp_path / "a.conf", f"timeout 3\ninclude {tmp_path}/*.inc\nmaxclients 7\n")
    assert [settings.timeout, settings.hz, settings.maxclients] == [5, 20, 7]
    assert settings.config_file == str(tmp_path / "a.conf")


def test_a_circle_of_includes_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    with pytest.raises(ConfigError, match="include each other"):
        _load(path, f"include {path}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port 1\n\ntimeout x\n", "line 3: timeout x: argument couldn't be parsed into an integer"),
        ("timeout 1 2\n", "line 1: timeout 1 2: wrong number of arguments"),
        ("timeout\n", "line 1: timeout: wrong number of arguments"),
        ('port "1\n', 'line 1: port "1: Unbalanced quotes'),
        ("include /no/such.conf\n", "/no/such.conf: No such file or directory"),
        ("port 1\0\n", "line 1: port 1\\x00: NUL bytes must be written as \\x00"),
        (
            "timeout \x1b[2J\n",
            'line 1: timeout "\\x1b[2J": argument couldn\'t be parsed into an integer',
        ),
        ("include\n", "line 1: include: wrong number of arguments"),
    ],
)
def test_mistakes_name_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _load(tmp_path / "a.conf", text)
    assert str(raised.value).endswith(message)


def test_what_is_no_setting_is_handed_back(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("port 1\nfoo bar\n")
    others = config_file.load(Settings(), str(path))
    assert [directive.words for directive in others] == [("foo", "bar")]


def test_lines_of_users_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("user alice on >secret ~*\nport 1\n")
    settings = Settings()
    assert config_file.load(settings, str(path)) == []
    (line,) = settings.user_lines
    assert line.words == ("user", "alice", "on", ">secret", "~*")
    assert "secret" not in str(line.error("no"))


def test_a_command_line_is_read_like_a_file() -> None:
    settings = Settings()
    words = ["--save", "10", "1", "--maxmemory", "1gb", "--save", "20", "2"]
    config_file.apply(settings, config_file.from_arguments(words))
    assert settings.text(Settings.save) == "10 1 20 2"
    assert settings.maxmemory == 1 << 30
    with pytest.raises(ConfigError, match="stray"):
        config_file.from_arguments(["stray"])


def test_a_rewritten_file_says_the_same(tmp_path: Path) -> None:
    settings = Settings()
    for name, text in (
        ("save", ""),
        ("maxmemory", "5mb"),
        ("notify-keyspace-events", "KEA"),
        ("logfile", 'odd "name" #1'),
        ("latency-tracking-info-percentiles", "50 99.5"),
        ("client-output-buffer-limit", "pubsub 1 2 3"),
        ("unixsocketperm", "700"),
    ):
        settings.set_text(BY_NAME[name], text)
    path = tmp_path / "new.conf"
    config_file.rewrite(settings, str(path), everything=True)
    again = Settings()
    config_file.load(again, str(path))
    assert all(again.value(setting) == settings.value(setting) for setting in TABLE)


def _rewritten(settings: Settings, path: Path) -> Settings:
    """Rewrite a file and return what it says afterwards."""
    config_file.rewrite(settings, str(path))
    again = settings.fresh()
    config_file.load(again, str(path))
    return again


def test_a_value_cannot_add_a_line_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    settings = _load(path, "masterauth old\n")
    settings.set_text(Settings.masterauth, "x\nenable-debug-command yes\r\ninclude /etc/passwd")
    again = _rewritten(settings, path)
    assert again.enable_debug_command == "no"
    assert again.masterauth == settings.masterauth
    assert len(path.read_bytes().splitlines()) == 1


@pytest.mark.parametrize("name", ["job-kinds", "bind", "save", "client-output-buffer-limit"])
@pytest.mark.parametrize("separator", ["\n", "\r", "\v", "\f", "\0", "\x85", "\u2028", "\udcff"])
def test_settings_of_several_words_refuse_control_characters(name: str, separator: str) -> None:
    first = (BY_NAME[name].default.split() or ["train"])[0]
    text = f"{first}{separator}x 1 1 1"
    with pytest.raises(SettingError):
        Settings().set_text(BY_NAME[name], text)


def test_a_setting_back_at_the_table_default_is_written_where_the_start_has_another(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.conf"
    settings = Settings({"appendonly": "yes"})
    settings.set_text(Settings.appendonly, "no")
    assert _rewritten(settings, path).appendonly is False


def test_a_changed_setting_is_written_after_the_include_that_sets_it(tmp_path: Path) -> None:
    (tmp_path / "more.inc").write_text("timeout 5\nsave 60 1\nhz 20\n")
    path = tmp_path / "a.conf"
    settings = _load(path, f"timeout 3\ninclude {tmp_path}/more.inc\n")
    settings.set_text(Settings.timeout, "3")
    settings.set_text(Settings.save, "7 7")
    again = _rewritten(settings, path)
    assert (again.timeout, again.text(Settings.save), again.hz) == (3, "7 7", 20)
    assert path.read_text().startswith(f"timeout 3\ninclude {tmp_path}/more.inc\n")


def test_a_file_that_could_not_be_read_at_the_next_start_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text('user "unbalanced\n')
    with pytest.raises(ConfigError, match="Unbalanced quotes"):
        config_file.rewrite(Settings(), str(path))
    assert path.read_text() == 'user "unbalanced\n'


def test_a_rewrite_leaves_files_alone_that_have_the_name_of_a_temporary_one(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "a.conf", tmp_path / "other"
    other.write_text("mine")
    (tmp_path / f"a.conf-{os.getpid()}.tmp").symlink_to(other)
    config_file.rewrite(Settings(), str(path), everything=True)
    assert other.read_text() == "mine"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [None, ""])
def test_a_rewrite_fills_an_empty_file_or_makes_one(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "a.conf"
    if text is not None:
        path.write_text(text)
    settings = Settings()
    settings.set_text(Settings.timeout, "5")
    config_file.rewrite(settings, str(path))
    assert path.read_text() == "# Generated by CONFIG REWRITE\ntimeout 5\n"


def test_a_rewrite_keeps_the_files_permissions_and_links(tmp_path: Path) -> None:
    target, link = tmp_path / "target.conf", tmp_path / "link.conf"
    target.write_text("timeout 3\n")
    target.chmod(0o640)
    link.symlink_to(target)
    config_file.rewrite(Settings(), str(link))
    assert link.is_symlink()
    assert target.read_text() == "timeout 0\n"
    assert target.stat().st_mode & 0o777 == 0o640


def test_errors_do_not_show_passwords() -> None:
    error = Directive(("requirepass", "secret", "secret"), "redis.conf", 3).error("too many words")
    assert str(error) == "redis.conf, line 3: requirepass (redacted): too many words"
