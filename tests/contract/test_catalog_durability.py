"""Whether a database keeps what it said was committed is told, not hoped."""

from sqlalchemy import text

from shared.catalog import Database


def test_a_database_that_may_lose_commits_is_named(database_url: str) -> None:
    database = Database(database_url)
    try:
        if database.sqlite:
            assert database.weaknesses() == []
            return
        with database.write() as tx:
            name = tx.scalar(text("SELECT current_database()"))
            tx.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        database.close()
        assert any("synchronous_commit is off" in one for one in database.weaknesses())
        with database.write() as tx:
            tx.exec_driver_sql(f'ALTER DATABASE "{name}" RESET synchronous_commit')
        database.close()
        assert not any("synchronous_commit" in one for one in database.weaknesses())
    finally:
        database.close()
