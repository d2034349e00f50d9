"""Whom the embedded servers run as. Postgres refuses root, so root lends them the account `nobody`."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from optimizers.errors import OptimizerError


@dataclass(frozen=True)
class Account:
    """uid and gid are -1 when the servers simply run as ourselves."""

    uid: int = -1
    gid: int = -1

    def own(self, *folders: Path) -> None:
        """Make the folders and give them to this account, closed to everybody else (root aside)."""
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            if self.uid >= 0:
                os.chown(folder, self.uid, self.gid)

    def kwargs(self) -> dict:
        """Arguments for subprocess: the account, where it differs from ours."""
        return {} if self.uid < 0 else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, program: Path) -> bool:
        """Tried, not guessed: directory modes, mount options and security modules all have a say."""
        try:
            return subprocess.run([program, "--version"], capture_output=True, cwd="/", timeout=20, **self.kwargs()).returncode == 0
        except (PermissionError, FileNotFoundError):
            return False

    def can_enter(self, folder: Path) -> bool:
        try:
            return subprocess.run(["/bin/sh", "-c", "true"], cwd=folder, **self.kwargs(), capture_output=True).returncode == 0
        except PermissionError:
            return False


def account() -> Account:
    """Ourselves, or `nobody` when we are root."""
    if os.geteuid() != 0:
        return Account()
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def lend(data: Path, who: Account, *folders: Path) -> None:
    """Make the data folder and the servers' own folders in it.

    Raises OptimizerError when the lent account cannot reach them, as under /root.
    """
    data.mkdir(parents=True, exist_ok=True)
    if who.uid >= 0:
        data.chmod(0o711)               # to pass through, not to list
    who.own(*folders)
    if not all(who.can_enter(folder) for folder in folders):
        raise OptimizerError(
            "The data folder cannot be entered by the account 'nobody', and Postgres refuses to run as root.",
            where=str(data),
            mend="Choose another place, such as ESPALIER_DATA=/var/lib/espalier, or run as a plain user.",
            code="data-folder-closed",
        )
