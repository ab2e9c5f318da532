# Read by `gunicorn` in this folder.
wsgi_app = "app:create_app()"
bind = "127.0.0.1:8000"
workers = 3
# Live connections need this class; they take none of its threads.
worker_class = "gthread"
threads = 16
