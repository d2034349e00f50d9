from django.apps import AppConfig


class TeamsConfig(AppConfig):
    name = "webapp.teams"

    def ready(self) -> None:
        from webapp import checks  # noqa: F401
        from webapp.teams import signals  # noqa: F401
