"""The Python client in an app that has a copy of its folder, httpx, and nothing else of Lamina."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.running import ROOT, RunningLamina

_APP = """
import json, sys
sys.path.insert(0, sys.argv[1])
from lamina_client import Client, Refused

with Client.connect(sys.argv[2]) as lamina:
    lamina.create_collection({"name": "app"})
    whale = {"id": "whale", "text": "The blue whale lives in the sea.", "metadata": {"legs": 0}}
    job = lamina.submit("app", [whale], key="once")
    again = lamina.submit("app", [whale], key="once")
    done = lamina.wait(job)
    found = lamina.search("app", {"q": "ocean animals", "after": job, "filter": "legs = 0"})
    try:
        lamina.search("nowhere", {"q": "x"})
    except Refused as error:
        refusal = [error.status, error.type]
foreign = [name for name in ("shared", "torch", "pydantic", "sqlalchemy") if name in sys.modules]
print(json.dumps([job == again, done["counts"], found["hits"][0]["id"], refusal, foreign]))
"""


def test_an_app_with_a_copy_adds_waits_and_searches(lamina: RunningLamina, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "shared" / "client", tmp_path / "lamina_client")
    done = subprocess.run(
        [sys.executable, "-I", "-c", _APP, str(tmp_path), lamina.url],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()
    same, counts, hit, refusal, foreign = json.loads(done.stdout)
    assert same
    assert counts["indexed"] == 1
    assert hit == "whale"
    assert refusal == [404, "/problems/collection-not-found"]
    assert foreign == []
