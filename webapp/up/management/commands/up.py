"""`manage.py up`: the embedded services unless DATABASE_URL / REDIS_URL name others, then web, worker and beat, until Ctrl-C."""

import ipaddress
import os

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from optimizers.errors import OptimizerError
from webapp.up.house import House
from webapp.up.plan import Plan


class Command(BaseCommand):
    help = "Run the whole house: database, broker, web, worker and beat."
    requires_system_checks = ()         # some of them want the database, which is not up yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
        parser.add_argument("--slots", type=int, default=max(1, os.cpu_count() or 1), help="jobs at once (default: one per core)")

    def handle(self, *, host: str, port: int, slots: int, **_) -> None:
        if settings.DEBUG and not loopback(host):
            raise CommandError(f"ESPALIER_DEBUG is on and {host} is reachable from outside. Turn it off, or listen on 127.0.0.1.")
        embedded = [name for name, variable in (("postgres", "DATABASE_URL"), ("valkey", "REDIS_URL")) if not os.environ.get(variable)]
        try:
            raise SystemExit(House(Plan(settings.DATA_DIR, host, port, slots, tuple(embedded))).run())
        except OptimizerError as error:
            raise CommandError(str(error)) from None
        except RuntimeError as error:
            raise CommandError(str(error)) from error


def loopback(host: str) -> bool:
    """
    >>> loopback("localhost"), loopback("127.0.0.1"), loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
