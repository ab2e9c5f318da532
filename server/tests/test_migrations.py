"""f69: `flask db migrate` of an app that shares its database with Nightferry, as it really runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Database
from sqlalchemy import create_engine, inspect


class Project:
    """A folder with migrations, and the database of its app."""

    def __init__(self, folder: Path, database: Database, mode: str) -> None:
        self.folder = folder
        self.url = database.options.get("NIGHTFERRY_DATABASE_URL", f"sqlite:///{folder}/app.sqlite3")
        (folder / "instance").mkdir()
        self.environment = os.environ | {
            "NIGHTFERRY_TEST_MIGRATE": mode,
            "NIGHTFERRY_TEST_INSTANCE": str(folder / "instance"),
            "NIGHTFERRY_TEST_URL": self.url,
            "PYTHONPATH": str(Path(__file__).parent),
        }

    def flask(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "flask", "--app", "migrated_app", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def migrate(self, name: str) -> str:
        """The text of the migration that `flask db migrate` writes; empty where it finds nothing to do."""
        versions = self.folder / "migrations" / "versions"
        before = set(versions.glob("*.py"))
        self.flask("db", "migrate", "-m", name)
        made = set(versions.glob("*.py")) - before
        return "".join(path.read_text() for path in made)

    def tables(self) -> set[str]:
        engine = create_engine(self.url)
        try:
            return set(inspect(engine).get_table_names())
        finally:
            engine.dispose()


@pytest.fixture
def project(tmp_path: Path, database: Database, request: pytest.FixtureRequest) -> Project:
    made = Project(tmp_path, database, request.param)
    made.flask("nightferry", "init-db")
    made.flask("db", "init")
    return made


@pytest.mark.parametrize("project", ["documented"], indirect=True)
def test_f69_flask_db_migrate_leaves_nightferrys_tables_alone(project: Project) -> None:
    ours = project.tables()
    assert "nightferry_items" in ours
    first = project.migrate("first")
    assert "create_table('orders'" in first
    assert "nightferry" not in first
    project.flask("db", "upgrade")
    assert project.tables() == ours | {"orders", "alembic_version"}
    assert project.migrate("nothing to do") == ""
    project.flask("db", "downgrade")
    assert project.tables() == ours | {"alembic_version"}
    project.flask("nightferry", "stats")


@pytest.mark.parametrize("project", ["bare"], indirect=True)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_f69_without_it_the_migration_would_drop_them(project: Project) -> None:
    assert "drop_table('nightferry_items')" in project.migrate("first")
