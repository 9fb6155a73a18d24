# tests/functional/test_tool_objects.py - --object of mynah-img and mynah-io: what nodes refer to by id.
import subprocess
import time

import pytest

from images import IMG, IO, run

LIMITED = "driver=throttle,throttle-group=t0,file.driver=qcow2,file.file.driver=file,file.file.filename=a.qcow2"

REFUSED = [
    ("nosuch,id=x", "Parameter 'qom-type' does not accept value 'nosuch'"),
    ("iothread,id=x", "invalid object type: iothread"),
    ("secret,id=x", "Either 'file' or 'data' must be provided"),
    ("secret,data=x", "Parameter 'id' is missing"),
    ("throttle-group,id=x,x-iops-total=-1", "bps/iops/max values must be within"),
    ("throttle-group,id=x,x-frob=1", "frob"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "1M")


@pytest.mark.parametrize("program", [[IMG, "info"], [IO, "-c", "length"]], ids=["img", "io"])
@pytest.mark.parametrize("text,words", REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(program, text, words):
    result = subprocess.run([*program, "--object", text, "a.qcow2"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and words in result.stderr and not result.stdout, result


def test_limits_hold():
    """16 reads of which 4 may pass per second, after a burst, take seconds; without the group there is no such node."""
    start = time.monotonic()
    run(IO, "--object", "throttle-group,id=t0,x-iops-total=4", "--object", "secret,id=s,data=x", "--image-opts",
        *[word for i in range(12) for word in ("-c", f"read -q {i * 512} 512")], LIMITED)
    assert time.monotonic() - start > 1.5
    assert "file format: throttle" in run(IMG, "info", "--object", '{"qom-type":"throttle-group","id":"t0","limits":{"iops-total":9}}', "--image-opts", LIMITED)
    result = subprocess.run([IMG, "info", "--image-opts", LIMITED], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and "Throttle group 't0' does not exist" in result.stderr


def test_dd_knows_them_too():
    run(IMG, "dd", "--object", "secret,id=s,data=x", "if=a.qcow2", "of=b.raw")


def test_names_are_taken_once():
    result = subprocess.run([IMG, "info", "--object", "secret,id=s,data=x", "--object", "secret,id=s,data=y", "a.qcow2"], capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == 1 and "attempt to add duplicate property 's' to object (type 'container')" in result.stderr


def test_help():
    assert "throttle-group" in run(IMG, "info", "--object", "help", "a.qcow2")
    assert "data=" in run(IO, "--object", "secret,help", "a.qcow2")
