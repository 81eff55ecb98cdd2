"""The places of a fleet's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet.places import Fleet

pytestmark = pytest.mark.usefixtures("runtime")


def fleet(root: Path, **settings: object) -> Fleet:
    return Fleet(Settings(**({"watchlist": ("TSLA", "BRK B")} | settings)), root)  # type: ignore[arg-type]


def test_processes_follow_from_the_settings(tmp_path: Path) -> None:
    core = ("gateway", "risk", "clock", "recorder", "watchdog")
    assert fleet(tmp_path).processes == ("simulator", *core, "symbol-TSLA", "symbol-BRK.B")
    assert fleet(tmp_path, mode="paper").processes == (*core, "symbol-TSLA", "symbol-BRK.B")
    assert fleet(tmp_path).symbols["symbol-BRK.B"] == "BRK B"


def test_records_of_two_fleets_never_mix(tmp_path: Path) -> None:
    one, two = fleet(tmp_path), fleet(tmp_path, mode="paper")
    assert one.database == tmp_path / "var" / "sim" / "bot.duckdb"
    for place in ("var", "run", "database", "simulator_ledger", "settings_file", "pidfile", "programs"):
        assert getattr(one, place) != getattr(two, place)
    assert one.socket("gateway") != two.socket("gateway")


def test_two_checkouts_have_sockets_of_their_own(tmp_path: Path) -> None:
    assert fleet(tmp_path / "a").run != fleet(tmp_path / "b").run


def test_prepare_makes_private_folders_and_a_process_finds_the_same_places(tmp_path: Path, runtime: Path) -> None:
    chosen = fleet(tmp_path, fleet="mine")
    chosen.prepare()
    assert chosen.run.is_relative_to(runtime)
    assert chosen.run.stat().st_mode & 0o777 == 0o700
    chosen.settings_file.write_bytes(chosen.settings.to_json())
    found = Fleet.of(chosen.settings_file)
    assert (found.root, found.run, found.database) == (chosen.root, chosen.run, chosen.database)


def test_another_shell_finds_the_sockets_of_the_running_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = fleet(tmp_path)
    chosen.prepare()
    monkeypatch.delenv("CRAZY_RUNTIME_DIR")
    assert fleet(tmp_path).run == chosen.run
    assert fleet(tmp_path / "elsewhere").run != chosen.run


def test_a_socket_path_that_the_system_cannot_bind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * (107 - len(os.fsencode(tmp_path))))
    deep.mkdir()
    monkeypatch.setenv("CRAZY_RUNTIME_DIR", str(deep))
    for call in (lambda: fleet(tmp_path).prepare(), lambda: fleet(tmp_path).socket("gateway")):
        with pytest.raises(Refusal, match=r"a socket path of \d+ bytes, the system allows 107; set CRAZY_RUNTIME_DIR"):
            call()
    assert not (tmp_path / "var").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")
    with pytest.raises(Refusal, match=r"no write permission .* make it writable"):
        fleet(tmp_path).prepare()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_records_of_another_user_are_refused(tmp_path: Path) -> None:
    chosen = fleet(tmp_path)
    chosen.prepare()
    chosen.database.touch(mode=0o400)
    with pytest.raises(Refusal, match=r"bot.duckdb: no write permission"):
        chosen.prepare()


def test_an_open_socket_folder_becomes_private_and_a_foreign_one_is_refused(tmp_path: Path, runtime: Path) -> None:
    chosen = fleet(tmp_path)
    chosen.default_run().mkdir(parents=True, mode=0o777)
    chosen.default_run().chmod(0o777)
    chosen.prepare()
    assert chosen.run.stat().st_mode & 0o777 == 0o700
    other = fleet(tmp_path, mode="paper")
    other.default_run().symlink_to(tmp_path)
    with pytest.raises(Refusal, match="belongs to another user"):
        other.prepare()


def test_the_environment_of_a_start_chooses_the_folder_of_the_sockets(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = fleet(tmp_path)
    chosen.prepare()
    before = chosen.run
    (runtime / "b").mkdir()
    monkeypatch.setenv("CRAZY_RUNTIME_DIR", str(runtime / "b"))
    chosen.prepare(running=True)
    assert chosen.run == before
    chosen.prepare()
    assert chosen.run == runtime / "b" / before.relative_to(runtime)
