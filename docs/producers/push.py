"""Push a file of plain JSON with redis-py. Usage: python push.py BROKER_URL FILE"""

import sys
from pathlib import Path

import redis

with redis.Redis.from_url(sys.argv[1]) as client:
    client.lpush("lamina.submit", Path(sys.argv[2]).read_bytes())
print("sent")
