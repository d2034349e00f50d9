"""One settings module; everything that differs between machines comes from the environment (or the data folder `up` made).

ESPALIER_DATA       folder of the embedded services, the secret key and the ballast; default ./var (root with a closed home: places.py)
DATABASE_URL        postgres://...; unset: the embedded Postgres of `manage.py up`
REDIS_URL           redis://... or redis+socket://...; unset: the embedded Valkey
ESPALIER_SECRET_KEY, ESPALIER_HOSTS (comma list), ESPALIER_DEBUG, ESPALIER_HTTPS
ESPALIER_PROXIES    how many proxies of yours stand before the server; X-Forwarded-For is believed that far and no further
ESPALIER_API_RATE   requests a minute for each token; default 120
"""

from pathlib import Path

import environ

from webapp.cache import redis_cache_url
from webapp.logs import configure
from webapp.up.places import database_url, default_data, redis_url, secret_key

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("ESPALIER_DATA", "") or default_data(BASE_DIR)).resolve()

DEBUG = env.bool("ESPALIER_DEBUG", False)
SECRET_KEY = env.str("ESPALIER_SECRET_KEY", "") or secret_key(DATA_DIR)
ALLOWED_HOSTS = env.list("ESPALIER_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
HTTPS = env.bool("ESPALIER_HTTPS", False)
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if HTTPS]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "allauth",
    "allauth.account",
    "rules",
    "ninja",                # without it the docs page of the API loads from a CDN
    "csp",
    "jobs",
    "webapp.teams",
    "webapp.library",
    "webapp.devices",
    "webapp.studio",
    "webapp.api",
    "webapp.up",
]

MIDDLEWARE = [
    "webapp.logs.request_log",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "webapp.static_files.StaticFiles",
    "webapp.api.middleware.problems_only",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "webapp.urls"
ASGI_APPLICATION = "webapp.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "webapp.teams.context.shell",
            ],
        },
    }
]

DATABASES = {"default": env.db_url_config(env.str("DATABASE_URL", "") or database_url(DATA_DIR))}
DATABASES["default"] |= {"CONN_MAX_AGE": 0, "OPTIONS": DATABASES["default"].get("OPTIONS", {}) | {"pool": {"min_size": 1, "max_size": 12}}}
DATABASES["default"] |= {"ATOMIC_REQUESTS": False}      # a request that streams must not hold a transaction; verbs open their own
REDIS_URL = env.str("REDIS_URL", "") or redis_url(DATA_DIR)
CACHES = {"default": {"BACKEND": "webapp.cache.RedisOrMemory", "LOCATION": redis_cache_url(REDIS_URL), "KEY_PREFIX": "espalier",
                      "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"  # signed in stays signed in while Redis is away
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "teams.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"         # a self-hosted house may have no mail server
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_RATE_LIMITS = {"login": "20/m/ip", "login_failed": "20/m/ip,5/m/key", "signup": "20/m/ip"}
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("ESPALIER_PROXIES", 0)
API_RATE = env.int("ESPALIER_API_RATE", 120)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True       # no collectstatic needed before the first start
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

CSRF_FAILURE_VIEW = "webapp.faults.csrf_failed"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_HSTS_SECONDS = 31536000
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

from csp.constants import NONCE, NONE, SELF  # noqa: E402

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "report-uri": ["/csp-report"],
    }
}

LOGGING = configure(DEBUG)
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

CELERY = {
    "broker_url": REDIS_URL,
    "task_acks_late": False,            # Postgres holds the lease; a message is only a wake-up (docs/reliability.md)
    "worker_prefetch_multiplier": 1,
    "task_ignore_result": True,
    "result_backend": None,
    "broker_connection_retry_on_startup": True,
    "accept_content": ["json"],
    "task_serializer": "json",
    "broker_transport_options": {"visibility_timeout": 3600},
}
