"""Notes behind nginx and gunicorn: people sign in, and everything is in one PostgreSQL."""

from logging.config import dictConfig

import click
from flask import Flask, redirect, render_template, request, url_for
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from flask_migrate import Migrate
from flask_nightferry import Nightferry, Principal, include_object
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.security import check_password_hash, generate_password_hash

db = SQLAlchemy()
login_manager = LoginManager()


class User(UserMixin, db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), unique=True, nullable=False)
    password = db.Column(db.String(300), nullable=False)  # its hash


@login_manager.user_loader
def load_user(user_id):
    return db.session.get(User, int(user_id))


def authenticate(request):
    if not current_user.is_authenticated:
        return None
    user = current_user.get_id()
    return Principal(tenant=user, user=user)  # every user has items of their own


nightferry = Nightferry(authenticate=authenticate)


def create_app():
    dictConfig(LOGGING)
    app = Flask(__name__)
    app.config.from_prefixed_env()  # FLASK_SECRET_KEY is SECRET_KEY, and so on
    app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Lax")
    app.config["NIGHTFERRY_DATABASE_URL"] = app.config["SQLALCHEMY_DATABASE_URI"]
    app.config["NIGHTFERRY_SLICES"] = ["notes"]
    # One proxy before this app, which says whom it speaks for.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)
    db.init_app(app)
    Migrate(app, db, include_object=include_object)
    CSRFProtect(app)
    login_manager.init_app(app)
    login_manager.login_view = "sign_in"
    nightferry.init_app(app)
    app.add_url_rule("/", view_func=notes)
    app.add_url_rule("/sign-in", view_func=sign_in, methods=["GET", "POST"])
    app.add_url_rule("/sign-out", view_func=sign_out, methods=["POST"])
    app.cli.command("add-user")(add_user)
    return app


@login_required
def notes():
    return render_template("notes.html", user=current_user.get_id())


def sign_in():
    if request.method == "GET":
        return render_template("sign_in.html")
    user = db.session.scalar(db.select(User).filter_by(name=request.form["name"]))
    if user is None or not check_password_hash(user.password, request.form["password"]):
        return render_template("sign_in.html", wrong=True), 403
    login_user(user)
    return redirect(url_for("notes"))


@login_required
def sign_out():
    logout_user()
    return redirect(url_for("sign_in"))


@click.argument("name")
@click.password_option()
def add_user(name, password):
    """Add somebody who may sign in."""
    db.session.add(User(name=name, password=generate_password_hash(password)))
    db.session.commit()


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"flask_nightferry": {"level": "INFO"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
}
