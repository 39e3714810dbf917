"""The wheel, installed next to a project whose packages have the same names as ours."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import redis

from tests.support.processes import ServeProcess

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_puts_only_redkeep_at_the_top(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"redkeep"}


def test_the_wheel_is_marked_as_typed(wheel: Path) -> None:
    assert "redkeep/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_it_serves_beside_a_project_with_its_own_server_package(
    wheel: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)

    project = tmp_path / "project"
    for package in ("server", "commands", "storage"):
        (project / package).mkdir(parents=True)
        (project / package / "__init__.py").write_text("OWNER = 'the project'\n")
    mine = subprocess.run(
        [python, "-c", "import redkeep, server, storage; print(server.OWNER, storage.OWNER)"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    assert mine.stdout == "the project the project\n"

    # The project's folder is the working directory and on the path: the hardest case.
    with (
        ServeProcess(
            command=[environment / "bin" / "redkeep"],
            cwd=project,
            environment={"PYTHONPATH": str(project)},
        ) as process,
        redis.Redis(port=process.port) as client,
    ):
        assert client.set("key", "value")
        assert client.get("key") == b"value"
