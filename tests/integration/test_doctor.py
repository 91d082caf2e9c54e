"""`lamina doctor`: everything broken one by one is found, and what to do about it is said."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import insert, select, text, update

from shared.catalog.tables import (
    ProcessRow,
    RebuildRow,
    RenditionRow,
    RevisionRow,
    UploadRow,
)
from shared.cli.doctor import program
from shared.cli.doctor.broker import check_broker
from shared.cli.doctor.command import doctor
from shared.cli.doctor.examination import examine
from shared.cli.doctor.findings import Finding, Level
from shared.collecting import create_collection, draft_space
from shared.domain import Bytes, Chunking, Condition, NewDocument, NewUpload, Submission
from shared.encoder import record as records
from shared.encoder.record import ModelRecord
from shared.indexing.turns import index_next
from shared.services import Services, open_bench, open_services
from shared.settings import Settings, origins
from tests.fakes.encoder import FakeEncoders, HashEncoder
from tests.redis_server import RedisServer
from tests.running import free_port

KINDS = ("web", "index", "intake", "upkeep", "parser")


@dataclass(frozen=True, slots=True)
class Patient:
    """An installation with an indexed document, whose processes are said to live."""

    settings: Settings
    services: Services
    weights: Path

    def findings(self, level: Level | None = None) -> list[Finding]:
        found = list(examine(self.settings))
        return [one for one in found if level in (None, one.level)]

    def told(self, level: Level, *, advised: bool = True) -> str:
        """Return all that is said of a level, with its advice."""
        found = self.findings(level)
        assert all(bool(one.advice) == advised for one in found)
        return "\n".join(f"{one.subject}: {one.words} -> {one.advice}" for one in found)

    def revive(self) -> None:
        for number, kind in enumerate(KINDS):
            self.services.roster.beat(f"host:{number}", kind)


@pytest.fixture
def patient(
    tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Patient]:
    for name in origins():
        monkeypatch.delenv(name, raising=False)
    encoder = HashEncoder()
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        port=free_port(),
        encoder=encoder.card.name,
        broker={"url": server.url},
        storage={"min_free_bytes": 1},
    )
    model = tmp_path / "models" / "tiny"
    model.mkdir(parents=True)
    weights = model / "weights"
    weights.write_bytes(b"one two")
    written = ModelRecord(
        card=encoder.card, source="folder", revision=None, files=records.list_files(model)
    )
    (model / records.FILE).write_text(records.dump(written), encoding="utf-8")
    services = open_services(settings, encoders=FakeEncoders(encoder))
    services.database.migrate()
    create_collection(services.collections, services.encoders, "c", encoder=encoder.card.name)
    document = NewDocument(id="a", text="one")
    services.inbox.accept(Submission(collection="c", source="api", documents=(document,)))
    index_next(open_bench(services))
    found = Patient(settings, services, weights)
    found.revive()
    yield found
    services.close()


def test_what_is_well_is_said_to_be_and_nothing_more(
    patient: Patient, server: RedisServer, client: redis.Redis
) -> None:
    client.config_set("appendfsync", "always")
    told = patient.findings()
    client.config_set("appendfsync", "everysec")

    assert [one.words for one in told if one.level is Level.WRONG] == []
    (open_door,) = (one for one in told if one.level is Level.WARNING)
    assert "needs no password" in open_door.words
    subjects = {one.subject for one in told}
    assert subjects >= {"python", "packages", "settings", "data folder", "disk", "models", "port"}
    assert subjects >= {"catalog", "clocks", "processes", "backlog", "dead letters", "index"}
    assert not any(str(server.port) + "@" in one.words for one in told)


def test_the_foundations_are_looked_at(
    patient: Patient, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not supported" in next(program.check_python((3, 9))).words
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==1.0\nno-such-thing==2\nnobody==1 ; sys_platform == 'none'\n", "utf-8")
    missing, other = program.check_packages(lock)
    assert (missing.level, other.level) == (Level.WRONG, Level.WARNING)
    assert "no-such-thing" in missing.words
    assert "nobody" not in missing.words
    assert "(tested: 1.0)" in other.words

    monkeypatch.setenv("LAMINA_PROT", "9000")
    assert "LAMINA_PROT (the environment) is no setting" in patient.told(Level.WARNING)
    monkeypatch.delenv("LAMINA_PROT")
    (tmp_path / "secret.key").write_bytes(b"x")
    (tmp_path / "secret.key").chmod(0o644)
    assert "secret.key can be read by other accounts" in patient.told(Level.WRONG)
    (tmp_path / "secret.key").chmod(0o600)
    patient.weights.write_bytes(b"two one")
    assert "models pull lamina/hash" in patient.told(Level.WRONG)
    patient.weights.write_bytes(b"one two")

    taken = patient.settings.model_copy(update={"port": server.port})  # by what is not Lamina
    exposed = patient.settings.model_copy(update={"host": "0.0.0.0"})
    cramped = patient.settings.model_copy(
        update={"storage": patient.settings.storage.model_copy(update={"min_free_bytes": 10**18})}
    )
    assert f"Port {server.port} of" in replace(patient, settings=taken).told(Level.WRONG)
    assert "reachable from other machines" in replace(patient, settings=exposed).told(Level.WRONG)
    proxied = patient.settings.model_copy(
        update={"web": patient.settings.web.model_copy(update={"proxies": 1})}
    )
    assert "whoever reaches that may do all" in replace(patient, settings=proxied).told(Level.WRONG)
    locked = proxied.model_copy(update={"admin_key": SecretStr("a key of twenty characters")})
    assert replace(patient, settings=locked).findings(Level.WRONG) == []
    assert "nothing new is taken" in replace(patient, settings=cramped).told(Level.WRONG)
    elsewhere = patient.settings.model_copy(
        update={"encoding": patient.settings.encoding.model_copy(update={"device": "cuda:77"})}
    )
    assert "LAMINA_ENCODING_DEVICE is cuda:77" in replace(patient, settings=elsewhere).told(
        Level.WRONG
    )
    assert patient.findings(Level.WRONG) == []


def test_what_runs_waits_and_was_lost_is_looked_at(patient: Patient) -> None:
    services = patient.services
    services.roster.beat("host:1", "index", Condition(trouble="The disk is away."))
    assert "index host:1: The disk is away." in patient.told(Level.WRONG)
    patient.revive()
    with services.database.write() as tx:
        tx.execute(update(ProcessRow).where(ProcessRow.kind == "upkeep").values(beat_at=0.0))
    assert "No upkeep process is alive" in patient.told(Level.WRONG)
    with services.database.write() as tx:
        tx.execute(update(ProcessRow).values(beat_at=0.0))
    assert "processes: None is alive. -> Start Lamina" in patient.told(Level.WARNING)
    patient.revive()

    document = NewDocument(id="b", text="two")
    services.inbox.accept(Submission(collection="c", source="api", documents=(document,)))
    an_hour_ago = services.roster.now() - 3600
    newest = update(RevisionRow).where(RevisionRow.id == 2)
    with services.database.write() as tx:
        tx.execute(newest.values(accepted_at=an_hour_ago))
    assert "1 document waiting, the oldest for 60 minutes" in patient.told(Level.WARNING)
    with services.database.write() as tx:
        tx.execute(newest.values(state="failed", error="x"))
    assert "1 document or message failed" in patient.told(Level.WARNING)

    (segment,) = (patient.settings.data_dir / "index").glob("*/segments/*")
    away = segment.with_name("elsewhere")
    segment.rename(away)
    assert "c: 1 file of version 1 missing" in patient.told(Level.WRONG)
    away.rename(segment)
    assert patient.findings(Level.WRONG) == []

    with services.database.write() as tx:
        tx.execute(text("UPDATE spaces SET fingerprint = 'other', encoder = 'org/gone'"))
    assert "Collection 'c' needs org/gone" in patient.told(Level.WRONG)
    with services.database.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert "catalog: sqlite" in patient.told(Level.WRONG)
    assert "lamina migrate" in patient.told(Level.WRONG)


def test_files_that_nobody_reads_and_rebuilds_that_stand_still_are_looked_at(
    patient: Patient,
) -> None:
    services = patient.services
    an_hour_ago = services.roster.now() - 3600
    no_documents = Submission(collection="c", source="api", documents=())
    stored = Bytes(key="1/x", sha256="0" * 64, size=2_000_000)
    services.uploads.accept(no_documents, [NewUpload(name="a.pdf", bytes=stored)])
    assert "1 file waiting (2.0 MB)" in patient.told(Level.OK, advised=False)
    with services.database.write() as tx:
        tx.execute(update(UploadRow).values(accepted_at=an_hour_ago))
    assert "the oldest for 60 minutes. -> The parser's log" in patient.told(Level.WARNING)
    with services.database.write() as tx:
        tx.execute(update(ProcessRow).where(ProcessRow.kind == "parser").values(beat_at=0.0))
    assert "no parser process is alive to read them" in patient.told(Level.WRONG)
    patient.revive()

    encoder = services.collections.get("c").space.encoder
    draft = draft_space(FakeEncoders(HashEncoder()), encoder, chunking=Chunking(overlap_tokens=1))
    assert services.rebuilds.begin("c", draft, force=False)
    assert "rebuilds: 'c': 0 of 1 documents" in patient.told(Level.OK, advised=False)
    with services.database.write() as tx:
        tx.execute(update(RebuildRow).values(started_at=an_hour_ago))
    assert "No worker took up any of that of 'c' for 60 minutes" in patient.told(Level.WARNING)
    with services.database.write() as tx:
        tx.execute(update(RebuildRow).values(trouble="A file is damaged."))
    assert "'c' cannot go on: A file is damaged. -> lamina fsck c" in patient.told(Level.WRONG)
    with services.database.write() as tx:
        tx.execute(update(RebuildRow).values(trouble=None))
        (space,) = tx.scalars(select(RebuildRow.space_id))
        failed = {"revision_id": 1, "space_id": space, "state": "failed", "error": "too odd"}
        tx.execute(insert(RenditionRow).values(**failed, not_before=0.0, solo_crashes=0))
    assert "'c' is blocked: 1 document cannot be brought" in patient.told(Level.WRONG)
    services.rebuilds.cancel("c")
    with services.database.write() as tx:
        tx.execute(update(RebuildRow).values(ended_at=an_hour_ago - 60))
    assert "ended rebuild of 'c' left is still there" in patient.told(Level.WARNING)


def test_the_broker_is_looked_at(
    patient: Patient, client: redis.Redis, server: RedisServer
) -> None:
    def told() -> str:
        return " ".join(one.words for one in check_broker(patient.settings, running=True))

    assert "appendfsync is everysec" in told()
    for name, value in (("appendonly", "no"), ("maxmemory", "100mb")):
        client.config_set(name, value)
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert "a restart loses" in told()
    assert "throws messages away" in told()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "0")
    client.config_set("appendonly", "yes")
    assert "throws messages away" not in told()
    gone = patient.settings.model_copy(
        update={"broker": patient.settings.broker.model_copy(update={"url": None})}
    )
    assert [one.level for one in check_broker(gone, running=False)] == [Level.OK]
    server.kill()
    try:
        assert "does not answer" in told()
    finally:
        server.start()


def test_the_command_prints_it_and_ends_with_1_if_something_is_wrong(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = patient.settings
    monkeypatch.setenv("LAMINA_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("LAMINA_PORT", str(settings.port))
    monkeypatch.setenv("LAMINA_ENCODER", settings.encoder)
    monkeypatch.setenv("LAMINA_BROKER_URL", settings.broker_url)
    monkeypatch.setenv("LAMINA_STORAGE_MIN_FREE_BYTES", "1")
    doctor(json=True)
    report: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    patient.weights.unlink()
    with pytest.raises(SystemExit) as ended:
        doctor(json=False)
    printed = capsys.readouterr().out

    assert {one["level"] for one in report} == {"ok", "warning"}
    assert ended.value.code == 1
    assert "1 thing wrong" in printed
    assert "-> lamina models pull lamina/hash" in printed
