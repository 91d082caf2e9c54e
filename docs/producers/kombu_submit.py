"""Send a document with kombu alone. Usage: python kombu_submit.py BROKER_URL"""

import sys

from kombu import Connection

payload = {
    "collection": "default",
    "key": "kombu-example",
    "documents": [{"id": "from-kombu", "text": "The swimming pool is closed until May."}],
}
with Connection(sys.argv[1]) as connection, connection.Producer() as producer:
    # On RabbitMQ, ask for a confirmation of the broker:
    # Connection(url, transport_options={"confirm_publish": True}).
    producer.publish(payload, routing_key="lamina.submit", serializer="json", retry=True)
print("sent")
