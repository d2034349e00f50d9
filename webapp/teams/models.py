"""Who may see and do what. Everything else in the house belongs to exactly one team."""

import hashlib
import secrets
import uuid
from datetime import timedelta

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.utils import timezone


class UserManager(BaseUserManager):
    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person; the e-mail address is the login."""

    username = None
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=120, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
    objects = UserManager()

    def __str__(self) -> str:
        return self.name or self.email.split("@")[0]


class Role(models.TextChoices):
    """What a member may do; each one may do what the ones before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"

    def covers(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Team(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=60, unique=True)
    quota_bytes = models.BigIntegerField(default=100 * 1024**3)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user}, {self.role} of {self.team}"


class Invitation(models.Model):
    """A link that makes one person a member; used once, good for seven days. The secret is kept as a hash."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role, default=Role.EDITOR)
    sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.role} of {self.team}, until {self.expires_at:%d %B}"


class Scope(models.TextChoices):
    """What a token may do; each one may do what the ones before it may."""

    READ = "read"
    RUN = "run"
    ADMIN = "admin"


class Token(models.Model):
    """A key to the API for one team. 32 random bytes, shown once; only the hash is kept."""

    PREFIX = "esp_"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="tokens")
    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.RUN)
    start = models.CharField(max_length=12)             # "esp_Ab3x9Q", so that people can tell their tokens apart
    sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.start}...)"

    @classmethod
    def issue(cls, team: Team, user: User, name: str, scope: str = Scope.RUN, days: int = 90) -> tuple["Token", str]:
        """A new token and its secret, which is not stored and cannot be shown again."""
        secret = cls.PREFIX + secrets.token_urlsafe(32)
        token = cls.objects.create(team=team, user=user, name=name, scope=scope, start=secret[:10], sha256=digest(secret),
                                   expires_at=timezone.now() + timedelta(days=days))
        return token, secret


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
