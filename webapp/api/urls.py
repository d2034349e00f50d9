"""Where the API lives: `path("api/v1/", api_urls)`."""

from webapp.api.api import api

api_urls = api.urls
