"""One form for every line that is logged."""

import json
import subprocess
import sys

CODE = """
import logging, structlog
from shared import logs
logs.configure("INFO", role="index")
structlog.get_logger("ours").info("taken", count=3)
logging.getLogger("theirs").warning("odd: %s", "thing")
logging.getLogger("celery.app.trace").info("a step")
logging.getLogger("theirs").debug("detail")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("ours").exception("failed")
"""


def test_our_lines_and_those_of_libraries_are_json_with_role_and_level() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    ours, theirs, failed = (json.loads(line) for line in done.stderr.splitlines())
    assert done.stdout == ""
    assert (ours["event"], ours["count"], ours["level"]) == ("taken", 3, "info")
    assert (theirs["event"], theirs["logger"]) == ("odd: thing", "theirs")
    assert {ours["role"], theirs["role"]} == {"index"}
    assert "ZeroDivisionError" in failed["exception"]
