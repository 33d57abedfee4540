"""A fleet moves from SQLite to PostgreSQL: every row of every table, all or none, whatever interrupts it."""

import pytest
from sqlalchemy import delete, func, inspect, select, text, update

from tests import every_table
from update_server import settings
from update_server.commands.database import KEPT, moved
from update_server.db.models import Audit, Base, Command, Device, Message, Refusal, Rollout, UpdateEvent
from update_server.db.move import BATCH, move
from update_server.db.session import Database
from update_server.errors import BadInput, Conflict, Misconfigured, ServerError
from update_server.files import in_use, to_itself, write_atomic

TEXT = """# Ours.
operator = "River Office"  # database = "x"
hosts = ["cameras.example.jp"]
database = "sqlite:///server.db"  # a file

[ports]
device = 9443
"""


class Cut(Exception):
    """The power is gone."""


@pytest.fixture
def source(sqlite):
    opened = Database(sqlite)
    with opened.write() as session:
        every_table.fill(session, BATCH + 3)
    yield opened
    opened.close()


@pytest.fixture
def address(cluster):
    name = "moved"
    yield cluster.create(name)
    cluster.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def target(address):
    opened = Database(address)
    yield opened
    opened.close()


@pytest.fixture
def folder(source, tmp_path):
    (tmp_path / "server.toml").write_text(TEXT)
    return tmp_path


def rows(database):
    """Every row of every table, as Python values; text as PostgreSQL can keep it."""
    with database.read() as session:
        return {
            table.name: sorted(
                repr([v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in row])
                for row in session.execute(select(table))
            )
            for table in Base.metadata.sorted_tables
        }


def nothing(*_):
    """No progress is shown."""


def tables(database):
    return inspect(database.engine).get_table_names()


def test_the_fleet_of_these_tests_has_rows_in_every_table(source):
    with source.read() as session:
        assert every_table.empty_tables(session) == []


def test_every_row_is_there_and_was_counted_and_compared(source, target):
    told = []
    found = move(source, target, lambda done, total: told.append((done, total)))
    assert rows(target) == rows(source)
    assert {one.table: one.rows for one in found} == {name: len(some) for name, some in rows(source).items()}
    total = sum(one.rows for one in found)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (total, total)
    assert len(told) > len(found), "a table with many rows goes in batches"


def test_rows_that_come_next_are_numbered_after_those_that_are_there(source, target):
    move(source, target, nothing)
    new = {
        "audit": Audit(at=1, who="", what="", detail=""),
        "refusal": Refusal(device_id="", received_at=1, code="", detail=""),
        "message": Message(device_id="", boot="", seq=1, type="", at=1, received_at=1, raw=b""),
        "rollout": Rollout(
            version="", model="", group_name="", phases=[], failure_percent=1, silent_after_s=1, state="", created_at=1,
            changed_at=1,
        ),
        "update_event": UpdateEvent(
            device_id=every_table.ID, at=1, received_at=1, event="", from_version="", to_version="", code="", detail="",
            slot="",
        ),
        "command": Command(
            device_id=every_table.ID, grave=True, seq=1, name="", body=b"", issued_at=1, expires_at=1, who="", state="",
            changed_at=1,
        ),
    }  # fmt: skip
    numbered = {table.name for table in Base.metadata.sorted_tables if table.autoincrement_column is not None}
    assert set(new) == numbered
    with target.write() as session:
        last = {name: session.scalar(select(func.max(Base.metadata.tables[name].c.id))) for name in new}
        session.add_all(new.values())
        session.flush()
        assert {name: row.id for name, row in new.items()} == {name: number + 1 for name, number in last.items()}


def test_a_database_with_anything_in_it_is_refused_and_left_as_it_was(source, target, postgresql):
    used = Database(postgresql)
    with used.write() as session:
        session.add(Audit(at=1, who="a", what="b", detail="another fleet"))
    with target.engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (x int)"))
    for other in (used, target):
        before = tables(other)
        with pytest.raises(Conflict, match="has tables already"):
            move(source, other, nothing)
        assert tables(other) == before
    assert [len(some) for name, some in rows(used).items() if name == "audit"] == [1]
    used.close()


def test_one_that_holds_exactly_these_rows_is_taken_as_it_is_and_one_with_a_difference_is_not(source, target):
    first = move(source, target, nothing)
    assert move(source, target, nothing) == first
    for change in (
        update(Device).values(attention="other"),
        delete(Refusal),
        text("UPDATE alembic_version SET version_num = '0001'"),
    ):
        with target.write() as session:
            session.execute(change)
        with pytest.raises(Conflict):
            move(source, target, nothing)
        with target.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(text(f"DROP TABLE {table.name}"))
            session.execute(text("DROP TABLE alembic_version"))
        move(source, target, nothing)


def test_whatever_goes_wrong_on_the_way_the_new_database_stays_empty(source, target):
    total = len(Base.metadata.sorted_tables)

    def cut(at):
        def tell(done, _):
            if done >= at:
                raise Cut

        return tell

    for at in (1, total, BATCH):
        with pytest.raises(Cut):
            move(source, target, cut(at))
        assert tables(target) == []
    with source.write() as session:
        session.execute(update(Device).values(serial="x" * 65))  # SQLite does not look at lengths
    before = rows(source)
    with pytest.raises(ServerError, match="too long"):
        move(source, target, nothing)
    assert (tables(target), rows(source)) == ([], before)


def test_what_the_new_database_changes_is_noticed(source, target, monkeypatch):
    """The control of the comparison: a trigger that writes something else than it was given."""
    from update_server.db import move as module

    def migrate_and_meddle(connection):
        migrate_in(connection)
        connection.execute(text("ALTER TABLE audit ALTER COLUMN detail SET DEFAULT ''"))
        connection.execute(
            text(
                "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.detail := 'x'; RETURN NEW; END $$"
            )
        )
        connection.execute(text("CREATE TRIGGER meddle BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION meddle()"))

    migrate_in = module.migrate_in
    monkeypatch.setattr(module, "migrate_in", migrate_and_meddle)
    with pytest.raises(ServerError, match="other rows of audit"):
        move(source, target, nothing)
    assert tables(target) == []


def test_the_settings_name_the_new_database_and_nothing_else_in_them_changes(folder, address, source):
    before = rows(source)
    told = moved(folder, address)
    after = (folder / "server.toml").read_text()
    assert after == TEXT.replace('database = "sqlite:///server.db"  # a file', f'database = "{address}"')
    assert (folder / KEPT).read_text() == TEXT
    assert settings.load(folder).database == address
    assert told["left"] == str(folder / "server.db")
    assert sum(table["rows"] for table in told["tables"]) == sum(map(len, before.values()))
    assert rows(source) == before, "the file is kept"
    with pytest.raises(Conflict, match="already"):
        moved(folder, address)


def test_cut_at_any_write_the_fleet_is_where_it_was_and_the_next_try_ends_it(folder, address, source):
    for cut_at in (0, 1):
        writes = []

        def write(path, body, mode, cut_at=cut_at, writes=writes):
            if len(writes) == cut_at:
                raise Cut
            writes.append(path.name)
            write_atomic(path, body, mode)

        with pytest.raises(Cut):
            moved(folder, address, write)
        assert settings.load(folder).database == "sqlite:///server.db"
    moved(folder, address)
    assert settings.load(folder).database == address


def test_after_a_move_that_did_not_end_a_fleet_that_went_on_is_not_mixed_with_what_was_copied(folder, address, source):
    def write(*_):
        raise Cut

    with pytest.raises(Cut):
        moved(folder, address, write)
    with source.write() as session:
        session.add(Audit(at=1, who="a", what="b", detail="went on"))
    with pytest.raises(Conflict, match="has tables already"):
        moved(folder, address)
    assert settings.load(folder).database == "sqlite:///server.db"


def test_who_uses_the_folder_keeps_it_from_being_moved_and_the_other_way_round(folder, address):
    with in_use(folder), in_use(folder), pytest.raises(Conflict, match="uses"):
        moved(folder, address)
    with to_itself(folder), pytest.raises(Conflict, match="being moved"), in_use(folder):
        pass
    moved(folder, address)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("sqlite:///other.db", BadInput),
        ("mysql://x/y", BadInput),
        ("postgresql://camward:secret@db/camward", BadInput),
        ("postgresql://camward@/camward?host=/nowhere", ServerError),
    ],
)
def test_what_cannot_be_a_target_is_refused(folder, url, error):
    with pytest.raises(error):
        moved(folder, url)
    assert (folder / "server.toml").read_text() == TEXT
    assert not (folder / KEPT).exists()


def test_a_fleet_of_another_schema_is_refused(folder, address, source):
    with source.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(Misconfigured, match="schema 0001"):
        moved(folder, address)


def test_a_variable_that_would_win_over_the_settings_is_named(folder, address, monkeypatch):
    monkeypatch.setenv("CAMWARD_DATABASE", "sqlite:///server.db")
    with pytest.raises(BadInput, match="CAMWARD_DATABASE"):
        moved(folder, address)


@pytest.mark.parametrize(
    "before",
    ['operator = "x"\n', 'operator = "x"\ndatabase="sqlite:///a.db"\n[x]\ndatabase = 1\n', '[x]\ny = """\n"""\n'],
)
def test_only_the_database_is_written_into_the_settings(before):
    import tomllib

    after = settings.with_database(before, "postgresql://a@/b")
    assert tomllib.loads(after) == {**tomllib.loads(before), "database": "postgresql://a@/b"}


@pytest.mark.parametrize("before", ["x = '''\ndatabase = 1\n'''\n", '"database" = "sqlite:///a.db"\n'])
def test_settings_that_hide_it_are_left_alone(before):
    with pytest.raises(Misconfigured):
        settings.with_database(before, "postgresql://a@/b")
