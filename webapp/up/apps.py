from django.apps import AppConfig


class UpConfig(AppConfig):
    name = "webapp.up"
    verbose_name = "The running house"
