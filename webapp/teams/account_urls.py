"""The part of allauth that a house without a mail server can keep: sign in, sign up, sign out, another password.

Whoever forgot theirs asks the person who runs the server: `manage.py changepassword EMAIL`.
"""

from allauth.account import views
from django.urls import path

from webapp.teams.gate import public, signed_in

urlpatterns = [
    path("login/", public(views.login), name="account_login"),
    path("logout/", public(views.logout), name="account_logout"),
    path("signup/", public(views.signup), name="account_signup"),
    path("inactive/", public(views.account_inactive), name="account_inactive"),
    path("reauthenticate/", signed_in(views.reauthenticate), name="account_reauthenticate"),
    path("password/change/", signed_in(views.password_change), name="account_change_password"),
    path("password/set/", signed_in(views.password_set), name="account_set_password"),
]
