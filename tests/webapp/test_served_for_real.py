"""The web process as it runs: uvicorn in its own process, real sockets. Large files in flat memory, cuts, streams that end in time."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

MB = 1024**2
FORM = "multipart/form-data; boundary=espalier-test-boundary"


class House:
    """A running web process."""

    def __init__(self, child: subprocess.Popen, url: str) -> None:
        self.child, self.url = child, url

    def memory(self) -> int:
        """Bytes resident, by the kernel's count."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the web process is gone")


@pytest.fixture
def house(process_env, tmp_path) -> Iterator[House]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path / "web.log").open("wb")
    env = process_env | {"ESPALIER_API_RATE": "100000"}
    child = subprocess.Popen([sys.executable, "-m", "uvicorn", "webapp.asgi:application", "--port", str(port), "--no-access-log"],
                             env=env, stdout=log, stderr=log, cwd=Path(__file__).parents[2])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/healthz", timeout=2)
                break
            except httpx.TransportError:
                assert child.poll() is None, (tmp_path / "web.log").read_text()
                time.sleep(0.1)
        yield House(child, url)
    finally:
        child.terminate()
        child.wait(20)
        log.close()


@pytest.fixture
def people(transactional_db):
    from tests.webapp.cast import gather

    return gather()


@pytest.fixture
def key(people):
    from webapp.teams.models import Token

    return {"Authorization": f"Bearer {Token.issue(people.team, people.bob, 'test')[1]}"}


def block(n: int) -> bytes:
    """1 MB that no other block equals, so that deduplication helps nobody."""
    return hashlib.shake_256(n.to_bytes(4, "big")).digest(MB)


def form(megabytes: int) -> Iterator[bytes]:
    yield b'--espalier-test-boundary\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\nContent-Type: text/csv\r\n\r\n'
    yield from (block(n) for n in range(megabytes))
    yield b"\r\n--espalier-test-boundary--\r\n"


@pytest.mark.parametrize("megabytes", [48, pytest.param(1024, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_up_and_down_in_flat_memory(house, key, people, megabytes):
    from jobs.models import Asset
    from webapp.library.downloads import asset_link

    whole = hashlib.sha256()
    for n in range(megabytes):
        whole.update(block(n))
    with httpx.Client(base_url=house.url, timeout=600) as client:
        client.get("/api/v1/datasets", headers=key)
        before = house.memory()
        highest, watching = [before], threading.Event()

        def watch() -> None:
            while not watching.wait(0.05):
                highest.append(house.memory())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        up = client.post("/api/v1/datasets", content=form(megabytes), headers=key | {"Content-Type": FORM})
        assert up.status_code == 201, up.text
        assert up.json()["sha256"] == whole.hexdigest()
        row = Asset.objects.get()
        row.state = Asset.State.READY
        row.save()
        down = hashlib.sha256()
        with client.stream("GET", asset_link(row, people.bob)) as answer:
            assert answer.headers["content-length"] == str(megabytes * MB)
            for piece in answer.iter_bytes():
                down.update(piece)
        watching.set()
        watcher.join()
    assert down.hexdigest() == whole.hexdigest()
    assert max(highest) - before < 64 * MB, f"{(max(highest) - before) / MB:.0f} MB for a file of {megabytes} MB"


def test_a_file_too_large_is_refused_before_it_is_sent(house, key):
    """The announced length is enough: the answer comes although 6 GB never do."""
    head = next(form(1))
    with socket.create_connection(("127.0.0.1", int(house.url.rsplit(":", 1)[1])), timeout=20) as line:
        line.sendall(f"POST /api/v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key['Authorization']}\r\n"
                     f"Content-Length: {6 * 1024**3}\r\nContent-Type: {FORM}\r\n\r\n".encode() + head)
        said = b"".join(iter(lambda: line.recv(65536), b"")).decode()
    assert said.startswith("HTTP/1.1 413")
    assert '"code": "too-large"' in said


def test_a_json_body_without_a_length_is_bounded(house, key):
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * MB

    answer = httpx.post(f"{house.url}/api/v1/jobs", content=endless(), headers=key | {"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code == 413


def test_a_cut_upload_goes_on_where_it_stood(house, key):
    content = b"".join(block(n) for n in range(10))
    tus = key | {"Tus-Resumable": "1.0.0"}
    made = httpx.post(f"{house.url}/api/v1/uploads", headers=tus | {
        "Upload-Length": str(len(content)), "Upload-Metadata": "filename bi5jc3Y=,kind ZGF0YXNldA==",
        "Content-Type": "application/offset+octet-stream"})
    where = house.url + made.headers["Location"]
    with socket.create_connection(("127.0.0.1", int(house.url.rsplit(":", 1)[1])), timeout=20) as line:
        line.sendall(f"PATCH {made.headers['Location']} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key['Authorization']}\r\n"
                     f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Length: {len(content)}\r\n"
                     "Content-Type: application/offset+octet-stream\r\n\r\n".encode() + content[:9 * MB])
        time.sleep(0.5)             # and the line goes dead
    for _ in range(100):
        offset = int(httpx.head(where, headers=tus).headers["Upload-Offset"])
        if offset >= 8 * MB:
            break
        time.sleep(0.1)
    assert 8 * MB <= offset <= 9 * MB
    last = httpx.patch(where, content=content[offset:], timeout=60, headers=tus | {
        "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"})
    assert last.status_code == 204, last.text
    said = httpx.get(f"{house.url}/api/v1/datasets/{last.headers['Espalier-Asset']}", headers=key).json()
    assert said["sha256"] == hashlib.sha256(content).hexdigest()


def test_events_come_as_they_happen_and_end_with_the_job(house, key, people):
    from jobs import hints
    from jobs.models import Event, Job

    job = Job.objects.create(team=people.team, number=1, kind=Job.Kind.FIT, title="t", state=Job.State.RUNNING, device={"name": "x"})
    heard: list[tuple[str, dict]] = []
    with httpx.stream("GET", f"{house.url}/api/v1/jobs/{job.id}/events", headers=key, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                heard.append((name, json.loads(line[6:])))
                if len(heard) == 1:
                    Event.objects.create(job=job, type="log", data={"text": "epoch 1"})
                    Job.objects.filter(pk=job.pk).update(progress=0.5)
                    hints.publish(job)
                elif name == "state" and heard[-1][1]["progress"] == 0.5:
                    Job.objects.filter(pk=job.pk).update(state=Job.State.SUCCEEDED)
                    hints.publish(job)
    assert [name for name, _ in heard] == ["state", "event", "state", "end"]
    assert heard[1][1]["data"] == {"text": "epoch 1"}
    assert heard[-1][1]["state"] == "succeeded"


def test_who_is_removed_hears_nothing_more(house, key, people):
    from jobs import hints
    from jobs.models import Job
    from webapp.teams import members

    job = Job.objects.create(team=people.team, number=1, kind=Job.Kind.FIT, title="t", state=Job.State.RUNNING, device={"name": "x"})
    said = ""
    with httpx.stream("GET", f"{house.url}/api/v1/jobs/{job.id}/events", headers=key, timeout=30) as answer:
        for line in answer.iter_lines():
            said += line + "\n"
            if line.startswith("data: "):
                members.remove(people.team, people.bob.pk)
                Job.objects.filter(pk=job.pk).update(note="a secret")
                hints.publish(job)
    assert "a secret" not in said


def test_the_web_process_imports_nothing_heavy():
    said = subprocess.run([sys.executable, "-c", "import sys, webapp.asgi, webapp.urls\n"
                           "print([m for m in ('torch', 'onnx', 'onnxruntime', 'sklearn', 'pandas', 'numpy') if m in sys.modules])"],
                          capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert said.stdout.strip() == "[]"


def test_headers_on_every_page(house):
    for path in ("/accounts/login/", "/api/v1/docs", "/nowhere", "/healthz"):
        headers = httpx.get(house.url + path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-request-id"]


def test_the_log_holds_no_key(house, key, people, tmp_path):
    from webapp.teams import members

    secret = members.invite(people.team, people.alice)[1]
    httpx.get(f"{house.url}/api/v1/jobs", headers=key)
    httpx.get(f"{house.url}/api/v1/jobs/{key['Authorization'].split()[1]}", headers=key)
    httpx.get(f"{house.url}/join/{secret}")
    time.sleep(0.3)
    log = (tmp_path / "web.log").read_text()
    assert "/api/v1/jobs" in log
    assert key["Authorization"].split()[1] not in log
    assert secret not in log


def test_static_files_come_with_their_type_and_a_validator(house):
    answer = httpx.get(f"{house.url}/static/css/tokens.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert httpx.get(f"{house.url}/static/css/tokens.css", headers={"If-None-Match": answer.headers.get("etag", ""),
                                                                 "If-Modified-Since": answer.headers["last-modified"]}).status_code == 304
