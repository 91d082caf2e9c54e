"""The application for a WSGI server of your own: `gunicorn web.wsgi:app` (without preload)."""

from web.serve import boot

app = boot()
