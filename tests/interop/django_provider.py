"""django-oauth-toolkit as an authorization server on this machine, behind a proxy that ends TLS, in its strictest
settings: what it still takes for compatibility's sake (each COMPLIANT_BCP_RFC9700_… setting) is off.

Reads the variables of scripts/provider.mjs and PROVIDER_STATE, a directory for its database. One user: `user`, `any`.
"""

import os
import secrets
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import include, path

ISSUER = os.environ["PROVIDER_ISSUER"]
CLIENT_ID = os.environ["PROVIDER_CLIENT_ID"]
DAY = 86_400

LOG_IN = '<form method="post">{% csrf_token %}{{ form }}<input type="submit" value="Log in"></form>'

BEST_PRACTICE = (
    "IMPLICIT_GRANT", "PASSWORD_GRANT", "PKCE_METHOD", "ACCESS_TOKEN_TRANSPORT", "AUTHZ_RESPONSE_ISS", "TOKEN_STORAGE",
    "REFRESH_TOKEN", "REDIRECT_URI_SCHEME", "REDIRECT_URI_MATCHING", "PKCE_REQUIRED",
)

settings.configure(
    SECRET_KEY=secrets.token_hex(),
    ALLOWED_HOSTS=[urlsplit(ISSUER).hostname],
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [
            ("django.template.loaders.locmem.Loader", {"registration/login.html": LOG_IN}),
            "django.template.loaders.app_directories.Loader",
        ]},
    }],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(os.environ["PROVIDER_STATE"], "provider.sqlite3"),
    }},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    # Slow hashes are for guessed passwords; these are the test's own.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    OAUTH2_PROVIDER={
        "SCOPES": {"api": "Use the API"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(os.environ["PROVIDER_ACCESS_TTL"]),
        "REFRESH_TOKEN_EXPIRE_SECONDS": DAY,
        # A refresh token works once; its second use ends the whole family.
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "PKCE_REQUIRED": True,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
        "OIDC_ISS_ENDPOINT": ISSUER,
        **{f"COMPLIANT_BCP_RFC9700_{name}": True for name in BEST_PRACTICE},
    },
)
django.setup()

# Django must be set up before these can be imported.
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from oauth2_provider.views import generic  # noqa: E402


class Api(generic.ScopedProtectedResourceMetadataView):
    """A resource for tokens with the scope `api`, of people and of clients."""

    required_scopes = ["api"]

    def get(self, request):
        """Tells whose token it is."""
        return JsonResponse({"user": request.resource_owner and request.resource_owner.get_username()})


urlpatterns = [
    path("accounts/login/", LoginView.as_view()),
    path("", include("oauth2_provider.urls")),
    path("api", Api.as_view()),
]


def register_clients():
    """Two clients, since each has one grant type: one for people's tokens, one for its own."""
    secret = os.environ["PROVIDER_CLIENT_SECRET"]
    redirect_uri = os.environ["PROVIDER_REDIRECT_URI"]
    for suffix, grant in (("", "authorization-code"), ("-machine", "client-credentials")):
        call_command(
            "createapplication", "confidential", grant,
            client_id=CLIENT_ID + suffix, client_secret=secret, redirect_uris=redirect_uri, verbosity=0,
        )


call_command("migrate", verbosity=0)
User.objects.create_user("user", password="any")
register_clients()
server = ThreadedWSGIServer(("127.0.0.1", int(os.environ["PROVIDER_PORT"])), WSGIRequestHandler)
server.set_app(get_wsgi_application())
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
