from django.urls import path

from webapp.library import downloads

urlpatterns = [path("d/<str:signed>", downloads.download, name="download")]
