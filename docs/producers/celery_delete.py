"""Delete a document with Celery. Usage: python celery_delete.py BROKER_URL"""

import sys

from celery import Celery

app = Celery(broker=sys.argv[1])
sent = app.send_task(
    "lamina.delete.v1",
    queue="lamina.submit",
    ignore_result=True,
    kwargs={
        "collection": "default",
        "key": "celery-example-gone",
        # `"ids": ["from-celery"]` does it too, for producers without versions of their own.
        "documents": [{"id": "from-celery", "external_version": 2}],
    },
)
print("sent as", sent.id)
