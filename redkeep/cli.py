"""The `redkeep` command."""

from __future__ import annotations

import click


@click.group()
def main() -> None:
    """Redkeep."""


@main.command()
@click.option("--port", default="6379")
def serve(port: str) -> None:
    """Serve."""
    import trio

    from commands.state.instance import Instance
    from commands.state.settings import Settings
    from server.server import Server

    settings = Settings()
    settings.set_text("port", port)
    settings.set_text("enable-debug-command", "yes")
    server = Server(Instance(settings))
    server.listen()
    click.echo(f"listening on {', '.join(server.addresses)}")
    trio.run(server.run)
