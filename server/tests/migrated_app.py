"""The app behind the tests of Alembic: tables of its own, in one database with Nightferry's."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

import flask_nightferry
from flask_nightferry import Nightferry, Principal

options: dict[str, Any] = {}
if os.environ.get("NIGHTFERRY_TEST_MIGRATE") == "documented":
    options["include_object"] = flask_nightferry.include_object

app = Flask("migrated", instance_path=os.environ["NIGHTFERRY_TEST_INSTANCE"])
url = os.environ["NIGHTFERRY_TEST_URL"]
app.config.update(SQLALCHEMY_DATABASE_URI=url, NIGHTFERRY_DATABASE_URL=url)
db = SQLAlchemy(app)
Migrate(app, db, **options)
Nightferry(app, authenticate=lambda request: Principal(tenant="ann", user="ann"))


class Order(db.Model):  # type: ignore[name-defined, misc]
    """A table of the app."""

    __tablename__ = "orders"
    id = db.Column(db.Integer, primary_key=True)
    state = db.Column(db.String(20), index=True)
