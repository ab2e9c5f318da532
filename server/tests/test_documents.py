"""The samples of `docs/python.md`, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Device, put
from flask import Flask
from sqlalchemy import create_engine, text

from flask_nightferry.state import state_of

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
SAMPLES = dict(re.findall(r"^<!-- tested: (\S+) -->\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


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
