"""Send a document with Celery. Usage: python celery_submit.py BROKER_URL"""

import sys

from celery import Celery

app = Celery(broker=sys.argv[1])
sent = app.send_task(
    "lamina.submit.v1",
    queue="lamina.submit",
    ignore_result=True,
    kwargs={
        "collection": "default",
        "key": "celery-example",  # your own; the receipt is found by it
        "documents": [
            {
                "id": "from-celery",
                "title": "Invoices",
                "text": "Invoices are paid within thirty days of their date.",
                "metadata": {"department": "accounts"},
                "external_version": 1,
            },
        ],
    },
)
print("sent as", sent.id)
