"""Push a document and wait for its receipt. Usage: python reply.py BROKER_URL"""

import json
import sys
import uuid

import redis

name = f"example-{uuid.uuid4().hex}"  # nobody can guess it, so nobody else reads it
message = {
    "collection": "default",
    "key": "reply-example",
    "reply_to": name,
    "documents": [{"id": "from-reply", "text": "The lighthouse keeper trims the lamp at dusk."}],
}
with redis.Redis.from_url(sys.argv[1], socket_timeout=60) as client:
    client.lpush("lamina.submit", json.dumps(message))
    answer = client.brpop([f"lamina.reply.{name}"], timeout=30)
if answer is None:
    sys.exit("no reply yet; send it again, with the same key")
receipt = json.loads(answer[1])
print(receipt["status"], receipt["job_id"] or receipt["detail"])
