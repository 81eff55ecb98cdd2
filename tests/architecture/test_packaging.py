"""What a fresh clone stands on: locks, the Makefile, the finding of a Python."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from services.fleet.places import CORE_PROCESSES
from tests.architecture.layout import PROGRAMS, PURE, ROOT, SERVICES, SOURCES, name_of

LOCKS = ("requirements.lock", "requirements-dev.lock")
THEIRS = "tests/clients/requirements.lock"


def pins(name: str) -> dict[str, list[str]]:
    """Package → its pins (several where they differ by Python)."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if match := re.match(r"([a-z0-9-]+)==(\S+)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@pytest.mark.parametrize("name", [*LOCKS, THEIRS])
def test_a_lock_has_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"://|--index|--find-links|--trusted|^-e|^/| @ ", text, re.MULTILINE)
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9-]+==\S+( ; .+)? \\\n    --hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]


def test_the_locks_agree_and_hold_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, everything = (pins(name) for name in LOCKS)
    assert runtime.items() <= everything.items()

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=]", each)[0].lower().replace("_", "-") for each in requirements}

    extras = project["optional-dependencies"]
    assert names(project["dependencies"] + extras["build"]) <= runtime.keys()
    assert names(extras["dev"]) <= everything.keys()
    assert runtime["ib-insync"] == ["0.9.86"]


def test_other_peoples_clients_are_locked() -> None:
    """By hash and without the address of a registry, so that whoever installs them takes his own."""
    assert pins(THEIRS)["ibapi"] == ["9.81.1.post1"]
    assert pins(THEIRS)["setuptools"]
    text = (ROOT / "tests" / "clients" / "node" / "package-lock.json").read_text()
    assert '"resolved"' not in text
    packages = json.loads(text)["packages"]
    assert packages["node_modules/@stoqey/ib"]["version"] == "1.6.10"
    assert all(package["integrity"] for name, package in packages.items() if name)


def test_supervisord_conf_has_every_process_of_every_fleet() -> None:
    parser = configparser.RawConfigParser()
    parser.read(ROOT / "supervisord.conf")
    programs = {name.removeprefix("program:") for name in parser.sections() if name.startswith("program:")}
    assert programs == set(CORE_PROCESSES)
    for name in programs:
        section = parser[f"program:{name}"]
        assert f"-m services.{name} " in section["command"]
        assert (section["startsecs"], section["autorestart"], section["exitcodes"]) == ("1", "unexpected", "0")


def test_make_help_describes_every_target() -> None:
    said = subprocess.run(["make", "-s", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"up", "down", "status", "logs", "test", "check", "format", "coverage", "soak", "bench"} <= set(targets)
    for target in targets:
        assert re.search(rf"^  make {target} +\w+", said, re.MULTILINE), target


def interpreter(folder: Path, name: str, version: str, *, venv: bool = True) -> None:
    """A Python that says that it is of this version."""
    path = folder / name
    path.write_text(f'#!/bin/sh\ncase "$2" in *version_info*) echo {version};; *) exit {0 if venv else 1};; esac\n')
    path.chmod(0o755)


def make_venv(folder: Path, path: Path, python: str = "") -> list[str]:
    """The lines with which `.ci/venv` refuses."""
    tools = f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin" if python else str(path)
    done = subprocess.run(
        ["/bin/sh", ROOT / ".ci" / "venv", ".venv", python],
        cwd=folder, env={"PATH": tools}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_an_old_python_is_one_line(tmp_path: Path) -> None:
    interpreter(tmp_path, "python3", "3.9")
    (said,) = make_venv(tmp_path, tmp_path)
    assert said.startswith("make: Python 3.11, 3.12 or 3.13 is needed ( python3 is 3.9;")
    assert "make PYTHON=" in said


def test_a_named_python_that_is_too_new_is_one_line(tmp_path: Path) -> None:
    interpreter(tmp_path, "mine", "3.14")
    (said,) = make_venv(tmp_path, tmp_path, "mine")
    assert "mine is 3.14;" in said


def test_no_python_at_all_is_one_line(tmp_path: Path) -> None:
    (said,) = make_venv(tmp_path, tmp_path)
    assert "none found" in said


def test_a_missing_venv_module_is_one_line(tmp_path: Path) -> None:
    interpreter(tmp_path, "python3.12", "3.12", venv=False)
    (said,) = make_venv(tmp_path, tmp_path)
    assert said == "make: python3.12 has no venv module; on Debian or Ubuntu: apt install python3.12-venv"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_no_write_permission_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    (said,) = make_venv(folder, tmp_path, sys.executable)
    assert said.startswith("make: no write permission in ")


def test_a_symbol_process_stays_small() -> None:
    """What every process imports brings none of the heavy libraries along."""
    every = ("fleet.places", "fleet.process_lock", "runtime.log", "configuration.settings")
    code = f"import sys, {', '.join(f'services.{name}' for name in every)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"yaml", "pandas", "numpy", "duckdb", "ib_insync", "cyclopts", "rich"} & set(done.stdout.split())


def test_all_that_the_processes_decide_is_in_the_mutation_run() -> None:
    """By folder: what is pure in a process is mutated, its shell and its edges are not."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    processes = set(PROGRAMS) - {"cli", "simulator"}
    found = [path for path in SOURCES if path.parts[len(SERVICES.parts)] in processes]
    mutated = [
        path
        for path in found
        if any(fnmatch(name_of(path), p) for p in wanted["only_mutate"])
        and not any(fnmatch(name_of(path), p) for p in wanted["do_not_mutate"])
    ]
    assert mutated == [path for path in found if path in PURE]
