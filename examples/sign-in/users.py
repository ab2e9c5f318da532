"""Who may sign in."""

import secrets

import click
from flask_login import UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

db = SQLAlchemy()

MAX_LENGTH = 200
# Compared with where there is no such user, so that the answer takes as long.
NOBODYS_PASSWORD = generate_password_hash(secrets.token_hex())


def new_key():
    return secrets.token_urlsafe(24)


class User(UserMixin, db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(MAX_LENGTH), unique=True, nullable=False)
    password = db.Column(db.String(300), nullable=False)  # its hash
    # Sessions and tokens name this key and not the id: with a new key all of them are over.
    key = db.Column(db.String(40), unique=True, nullable=False, default=new_key)

    def get_id(self):
        return self.key


def user_of_key(key):
    return db.session.scalar(db.select(User).filter_by(key=key))


def user_of_password(name, password):
    """Returns the user of this name if it is their password. None, too, for what is no text or too long."""
    if not all(isinstance(text, str) and 0 < len(text) <= MAX_LENGTH for text in (name, password)):
        return None
    user = db.session.scalar(db.select(User).filter_by(name=name))
    is_right = check_password_hash(user.password if user else NOBODYS_PASSWORD, password)
    return user if user and is_right else None


@click.argument("name")
@click.password_option()
def add_user(name, password):
    """Add somebody who may sign in."""
    if not all(0 < len(text) <= MAX_LENGTH for text in (name, password)):
        raise click.ClickException(
            f"A name and a password have 1 to {MAX_LENGTH} characters. Nobody was added."
        )
    db.session.add(User(name=name, password=generate_password_hash(password)))
    try:
        db.session.commit()
    except IntegrityError:
        raise click.ClickException(f"There is somebody named {name} already. Choose another name.") from None


@click.argument("name")
def end_sessions(name):
    """End all sessions and tokens of somebody, as after a device was lost."""
    user = db.session.scalar(db.select(User).filter_by(name=name))
    if user is None:
        raise click.ClickException(f"There is nobody named {name}.")
    user.key = new_key()
    db.session.commit()
