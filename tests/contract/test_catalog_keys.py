"""API keys and the record of administrative acts, over every catalog."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from shared.access.keyring import Keyring
from shared.access.making import create_key
from shared.access.recording import recorded
from shared.catalog import Database, SqlAudit, SqlKeys
from shared.catalog.tables import ApiKeyRow, AuditRow
from shared.domain import ENVIRONMENT, LOCAL, Act, KeyStatus, Scope
from shared.errors import InvalidRequest, KeyNotFound

ACT = Act(who="ops", key_id="0" * 12, address="::1", what="tag.set", target={"tag": "käse"})


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def keys(database: Database) -> SqlKeys:
    return SqlKeys(database)


def age(database: Database, key_id: str, **columns: float | None) -> None:
    with database.write() as tx:
        tx.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(**columns))


def test_a_key_is_found_by_its_public_part_and_its_text_is_nowhere(
    database: Database, keys: SqlKeys
) -> None:
    assert not keys.any_made()
    made = create_key(keys, LOCAL, " site ", Scope.SEARCH, collections=["b", "a", "b"], days=2)
    found = keys.find(made.key.id)

    assert found == made.key
    assert (found.name, found.scope, found.collections) == ("site", Scope.SEARCH, ("a", "b"))
    assert found.status is KeyStatus.ACTIVE
    assert found.expires_at is not None
    assert found.expires_at - found.created_at == pytest.approx(2 * 86_400, abs=5)
    assert found.created_by == "local"
    assert keys.any_made()
    assert keys.find("f" * 12) is None
    with database.read() as tx:
        rows = tx.exec_driver_sql("SELECT * FROM api_keys").all()
    assert made.text.rpartition("_")[2] not in str(rows)
    assert made.text not in repr(made)


def test_a_revoked_key_is_kept_and_keeps_its_time(keys: SqlKeys) -> None:
    made = create_key(keys, LOCAL, "a", Scope.WRITE)
    first = keys.revoke(made.key.id)

    assert first.status is KeyStatus.REVOKED
    assert keys.revoke(made.key.id).revoked_at == first.revoked_at
    assert keys.any_made()
    assert [one.id for one in keys.made()] == [made.key.id]
    with pytest.raises(KeyNotFound):
        keys.revoke("f" * 12)


def test_a_key_ends_by_the_clock_of_the_catalog(database: Database, keys: SqlKeys) -> None:
    made = create_key(keys, LOCAL, "a", Scope.SEARCH, days=1)
    age(database, made.key.id, expires_at=1.0)
    found = keys.find(made.key.id)

    assert found is not None
    assert found.status is KeyStatus.EXPIRED
    assert Keyring(keys, None).caller(made.text.encode()) is None


def test_uses_are_stamped_once_in_a_while(database: Database, keys: SqlKeys) -> None:
    made = create_key(keys, LOCAL, "a", Scope.SEARCH)
    other = create_key(keys, LOCAL, "b", Scope.SEARCH)
    keyring = Keyring(keys, None)
    assert keyring.caller(made.text.encode()) is not None
    keyring.stamp()
    first = keys.find(made.key.id)
    keyring.note(made.key.id)
    keyring.stamp()
    second = keys.find(made.key.id)
    age(database, made.key.id, last_used_at=5.0)
    keyring.note(made.key.id)
    keyring.stamp()
    third = keys.find(made.key.id)

    assert first is not None
    assert second is not None
    assert third is not None
    assert first.last_used_at is not None
    assert second.last_used_at == first.last_used_at
    assert third.last_used_at is not None
    assert third.last_used_at > 5.0
    untouched = keys.find(other.key.id)
    assert untouched is not None
    assert untouched.last_used_at is None


def test_only_the_whole_key_opens(keys: SqlKeys) -> None:
    made = create_key(keys, LOCAL, "a", Scope.SEARCH)
    other = create_key(keys, LOCAL, "b", Scope.ADMIN)
    keyring = Keyring(keys, "schlüssel mit umlaut, lang")
    swapped = made.text[: len("lamina_") + 12] + other.text[len("lamina_") + 12 :]

    assert keyring.closed
    found = keyring.caller(made.text.encode())
    assert found is not None
    assert (found.name, found.key_id, found.scope) == ("a", made.key.id, Scope.SEARCH)
    assert keyring.caller("schlüssel mit umlaut, lang".encode()) == ENVIRONMENT
    for wrong in (swapped, made.text[:-1], made.text + "x", made.key.id, "", made.text.upper()):
        assert keyring.caller(wrong.encode()) is None, wrong
    assert keyring.caller(made.key.sha256.encode()) is None


def test_without_any_key_it_is_open_until_the_first_one_is_made(keys: SqlKeys) -> None:
    here, elsewhere = Keyring(keys, None), Keyring(keys, None)
    assert not here.closed
    made = create_key(keys, LOCAL, "a", Scope.ADMIN)
    here.forget()
    assert here.closed
    elsewhere.forget()  # what a second does
    assert elsewhere.closed
    keys.revoke(made.key.id)
    assert Keyring(keys, None).closed, "revoking the last key must open nothing"


def test_a_revoked_key_is_noticed_elsewhere_within_a_second(keys: SqlKeys) -> None:
    made = create_key(keys, LOCAL, "a", Scope.ADMIN)
    elsewhere = Keyring(keys, None, fresh_seconds=0.0)
    assert elsewhere.caller(made.text.encode()) is not None
    keys.revoke(made.key.id)

    assert elsewhere.caller(made.text.encode()) is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": " \t"}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": "\u202egnp"}, "/name"),
        ({"name": "half \ud800"}, "/name"),
        ({"name": "n" * 101}, "/name"),
        ({"collections": []}, "/collections"),
        ({"collections": ["ok", "Not OK"]}, "/collections/1"),
        ({"days": 0}, "/days"),
        ({"days": float("nan")}, "/days"),
        ({"days": 1e9}, "/days"),
    ],
    ids=str,
)
def test_a_key_that_makes_no_sense_is_refused(
    keys: SqlKeys, changes: dict[str, object], pointer: str
) -> None:
    asked = {"name": "fine", "collections": None, "days": None} | changes
    with pytest.raises(InvalidRequest) as refused:
        create_key(keys, LOCAL, scope=Scope.SEARCH, **asked)  # type: ignore[arg-type]  # hostile

    assert [fault.pointer for fault in refused.value.faults] == [pointer]
    assert not keys.any_made()


def test_a_session_that_was_ended_stays_so_until_it_would_have_ended(keys: SqlKeys) -> None:
    keys.sign_out("one", within_seconds=100)
    keys.sign_out("one", within_seconds=100)
    keys.sign_out("two", within_seconds=-1)
    keys.sign_out("three", within_seconds=100)

    assert keys.signed_out("one")
    assert not keys.signed_out("two")
    assert not keys.signed_out("four")


def test_acts_are_recorded_before_they_happen_and_listed_newest_first(database: Database) -> None:
    audit = SqlAudit(database)
    first = audit.begin(ACT, kept_seconds=1000)
    second = audit.begin(ACT, kept_seconds=1000)
    audit.end(second, "done", {"tag": "käse", "version": "7"})
    entries = audit.entries(limit=10)

    assert [one.id for one in entries] == [second, first]
    assert [one.outcome for one in entries] == ["done", None]
    assert entries[0].act.target == {"tag": "käse", "version": "7"}
    assert entries[1].act == ACT
    assert [one.id for one in audit.entries(limit=1, before=second)] == [first]


def test_old_acts_are_forgotten(database: Database) -> None:
    audit = SqlAudit(database)
    old = audit.begin(ACT, kept_seconds=1000)
    with database.write() as tx:
        tx.execute(update(AuditRow).values(at=5.0))
    newest = old
    while newest < 100:
        newest = audit.begin(ACT, kept_seconds=1000)

    ids = [one.id for one in audit.entries(limit=1000)]
    assert old not in ids
    assert len(ids) == newest - old


def test_a_command_that_fails_is_recorded_as_failed(database: Database) -> None:
    audit = SqlAudit(database)
    with recorded(audit, "key.create", {"name": "a"}, kept_seconds=10) as known:
        known["key"] = "1"
    with (
        pytest.raises(ZeroDivisionError),
        recorded(audit, "key.revoke", {"key": "1"}, kept_seconds=10),
    ):
        raise ZeroDivisionError

    newest, oldest = audit.entries(limit=10)
    assert (oldest.act.what, oldest.act.target, oldest.outcome) == (
        "key.create",
        {"name": "a", "key": "1"},
        "done",
    )
    assert (newest.act.what, newest.act.who, newest.outcome) == ("key.revoke", "local", "failed")
