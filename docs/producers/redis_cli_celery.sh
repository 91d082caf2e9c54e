#!/bin/sh
# Push a Celery message of protocol 2 with redis-cli. Usage: sh redis_cli_celery.sh BROKER_URL
set -eu
id=$(cat /proc/sys/kernel/random/uuid)
body=$(printf '%s' '[[], {"collection": "default", "key": "shell-example", "documents": [
  {"id": "from-a-shell", "text": "Parcels are kept at the post office for a week."}]}, {}]' |
    base64 | tr -d '\n')
redis-cli -u "$1" -x LPUSH lamina.submit <<EOF
{"body": "$body", "content-type": "application/json", "content-encoding": "utf-8",
 "headers": {"task": "lamina.submit.v1", "id": "$id"},
 "properties": {"correlation_id": "$id", "delivery_tag": "$id", "body_encoding": "base64",
  "delivery_info": {"exchange": "", "routing_key": "lamina.submit"}}}
EOF
