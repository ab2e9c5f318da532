"""The samples of `docs/python.md`, run as they stand there, and what `docs/deployment.md` quotes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import Device, put
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from flask_nightferry import Nightferry
from flask_nightferry.config import OPTIONS
from flask_nightferry.state import state_of

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
SAMPLES = dict(re.findall(r"^<!-- tested: (\S+) -->\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def nightferry_of(names: dict[str, Any]) -> Nightferry:
    nightferry: Nightferry = names["nightferry"]
    return nightferry


def test_every_sample_of_the_page_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(SAMPLES) == PAGE.count("```python")
    names: dict[str, Any] = {"__name__": "sample"}

    def run(name: str) -> None:
        exec(SAMPLES.pop(name), names)

    run("app.py")
    app: Flask = names["app"]
    app.instance_path = str(tmp_path)
    app.config["NIGHTFERRY_CREATE_TABLES"] = True
    names["nightferry"].init_app(app)
    with app.app_context():
        state_of(app).make_ready(app)
        names["engine"] = engine = create_engine(state_of(app).config.database_url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE orders (id INTEGER, state TEXT)"))
            connection.execute(text("CREATE TABLE quotas (tenant TEXT, notes INTEGER)"))
            connection.execute(text("INSERT INTO quotas VALUES ('acme', 1)"))
        laptop = Device(app, client="laptop")

        run("write")
        assert laptop.everything("notes") == {("notes", "rota"): {"id": "rota", "text": "Ann: Monday"}}
        assert laptop.pull({"notes": None})["changes"][0]["by"] == {"user": "bob"}
        run("base")
        assert laptop.everything("notes")[("notes", "rota")]["text"] == "Bob: Monday"
        run("read")
        assert capsys.readouterr().out.startswith("rota {'id': 'rota', 'text': 'Bob: Monday'} ")
        run("transaction")
        assert laptop.everything("orders") == {("orders", "7"): {"id": 7, "state": "paid"}}

        run("shared")
        url = state_of(app).config.database_url.render_as_string()
        shop = names["create_shop"]({"SQLALCHEMY_DATABASE_URI": url, "SECRET_KEY": "x"})
        with shop.app_context():
            names["db"].create_all()
            names["pay"](8)
            with pytest.raises(IntegrityError):
                names["pay"](8)
            names["db"].session.rollback()
            names["db"].engine.dispose()
        assert laptop.everything("invoices") == {("invoices", "8"): {"id": 8, "state": "paid"}}
        run("job")
        names["remind"](shop)
        state_of(shop).close()
        assert laptop.everything("notes")[("notes", "reminder")]["text"] == "Pay invoice 8"
        assert nightferry_of(names).delete("acme", "notes", "reminder") is not None

        run("session")
        with shop.test_request_context():
            assert names["of_session"](None) is None
            names["session"]["user"] = "ann"
            assert names["of_session"](None) == names["Principal"]("ann", "ann")

        run("validate")
        writer = Device(app, client="writer")
        refused, trimmed = writer.push(
            put("empty", {"text": " "}, slice="notes"), put("full", {"text": " x "}, slice="notes")
        )
        assert (refused["code"], refused["message"]) == ("empty_note", "A note needs a text.")
        assert trimmed["value"] == {"text": "x"}
        nightferry_of(names).delete("acme", "notes", "full")

        run("hook")
        run("receiver")
        phone = Device(app)
        [result] = phone.push(put("new", 1, slice="notes"))
        assert result["status"] == "applied"
        assert laptop.everything("counts") == {("counts", "notes"): 2}
        with engine.begin() as connection:
            connection.execute(text("UPDATE quotas SET notes = 0"))
        [result] = phone.push(put("one more", 1, slice="notes"))
        assert (result["status"], result["message"]) == ("rejected", "Your team has no notes left.")
        engine.dispose()
        state_of(app).store.engine.dispose()
    assert SAMPLES == {}


DOCS = Path(__file__).parents[2] / "docs"
DEPLOYMENT = (DOCS / "deployment.md").read_text(encoding="utf-8")


def test_what_the_page_on_deployment_quotes_of_files_is_in_them() -> None:
    quoted = re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", DEPLOYMENT, re.MULTILINE | re.DOTALL)
    assert len(quoted) == 4
    for path, part in quoted:
        assert part in (DOCS.parent / path).read_text(encoding="utf-8"), path


@pytest.mark.parametrize("page", ["docs/deployment.md", "server/README.md"])
def test_every_option_has_its_row(page: str) -> None:
    text_of_page = (DOCS.parent / page).read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(NIGHTFERRY_\w+)` \|", text_of_page, re.MULTILINE)) == set(OPTIONS)


def test_every_command_has_its_row(tmp_path: Path) -> None:
    app = Flask("commands", instance_path=str(tmp_path))
    Nightferry(app, authenticate=lambda request: None)
    group = app.cli.commands["nightferry"]
    assert isinstance(group, click.Group)
    [commands] = re.findall(r"^## Commands$(.*?)^## ", DEPLOYMENT, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^\| `([a-z-]+)", commands, re.MULTILINE)) == set(group.commands)


def test_the_sample_of_the_log_is_the_samples_app_configuration() -> None:
    [sample] = re.findall(
        r"^<!-- tested: logging -->\n```python\n(.*?)^```$", DEPLOYMENT, re.MULTILINE | re.DOTALL
    )
    app = (DOCS.parent / "examples/deployment/app.py").read_text(encoding="utf-8")
    [in_app] = re.findall(r"^LOGGING = (\{.*?^\})$", app, re.MULTILINE | re.DOTALL)
    [in_page] = re.findall(r"^dictConfig\((.*?)^\)$", sample, re.MULTILINE | re.DOTALL)
    assert ast.literal_eval(in_page.strip()) == ast.literal_eval(in_app)
