"""Where the embedded services keep their things; pure paths, so that settings can import it without starting anything."""

import os
import secrets
import tempfile
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

SOCKET_LIMIT = 90       # a Unix socket path holds about 103 bytes, of which ".s.PGSQL.5432" takes 13


def default_data(base: Path) -> Path:
    """`var` in the checkout. Root's servers run as `nobody`: a checkout behind a closed door gets a folder under /var/lib instead."""

    def open_to_all(folder: Path) -> bool:
        return bool(folder.stat().st_mode & 0o001)

    if os.geteuid() != 0 or all(open_to_all(folder) for folder in (base, *base.parents)):
        return base / "var"
    return Path(f"/var/lib/espalier-{sha256(str(base).encode()).hexdigest()[:8]}")


def run_dir(data: Path) -> Path:
    """Folder of the sockets: inside the data folder, or a short one in the temporary folder when that path is too long."""
    inside = data / "run"
    if len(os.fsencode(str(inside))) <= SOCKET_LIMIT:
        return inside
    return Path(tempfile.gettempdir()) / f"espalier-{sha256(str(data).encode()).hexdigest()[:12]}"


def password(data: Path, name: str, size: int = 40) -> str:
    """A secret of `size` random bytes, kept in the data folder; made on first use, readable by its owner alone."""
    path = data / f"{name}.secret"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        data.mkdir(parents=True, exist_ok=True)
        secret = secrets.token_urlsafe(size)
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secret)
        except FileExistsError:         # another process was first
            return path.read_text().strip()
        return secret


def secret_key(data: Path) -> str:
    return password(data, "django")


def database_url(data: Path) -> str:
    """The socket goes into the query, where both libpq and django-environ read it."""
    return f"postgres://espalier:{password(data, 'postgres')}@/espalier?host={quote(str(run_dir(data)))}"


def redis_url(data: Path) -> str:
    return f"redis+socket://:{password(data, 'valkey')}@{run_dir(data)}/valkey.sock"
