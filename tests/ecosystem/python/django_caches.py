"""Django: the cache framework and sessions in the cache."""

from __future__ import annotations

import django
from django.conf import settings
from support import URL

settings.configure(
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": URL},
        "other": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": URL,
            "KEY_PREFIX": "other",
            "TIMEOUT": 5,
        },
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    INSTALLED_APPS=["django.contrib.sessions"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ],
    SECRET_KEY="test",
    ALLOWED_HOSTS=["*"],
)
django.setup()

from django.core.cache import caches  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.cache import never_cache  # noqa: E402

calls = 0


def page(request: HttpRequest) -> HttpResponse:
    global calls
    calls += 1
    return HttpResponse(f"call {calls}")


@never_cache
def visit(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


@never_cache
def leave(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse("bye")


urlpatterns = [path("page", page), path("visit", visit), path("leave", leave)]


def use_the_cache() -> None:
    cache, other = caches["default"], caches["other"]
    cache.set("text", "värde", 100)
    cache.set("object", {"a": [1, 2, None]})
    cache.set("number", 7)
    assert cache.get("text") == "värde"
    assert cache.get("object") == {"a": [1, 2, None]}
    assert cache.incr("number", 3) == 10
    assert cache.decr("number") == 9
    assert not cache.add("number", 1)
    assert cache.add("new", 1)
    assert other.get("text") is None
    assert cache.get_or_set("made", lambda: "value") == "value"
    assert cache.set_many({f"k{n}": n for n in range(10)}, timeout=50) == []
    assert cache.get_many(["k1", "k2", "none"]) == {"k1": 1, "k2": 2}
    cache.delete_many(["k1", "k2"])
    assert not cache.has_key("k1") and "k3" in cache
    assert cache.touch("k3", 500)
    cache.set("gone", 1, timeout=0)
    assert cache.get("gone") is None
    assert cache.incr_version("text") == 2
    assert cache.get("text", version=2) == "värde"
    try:
        cache.incr("missing")
    except ValueError:
        pass
    else:
        raise AssertionError("a missing number is incremented")
    cache.clear()
    assert cache.get("object") is None


def use_sessions() -> None:
    browser, another = Client(), Client()
    assert [browser.get("/visit").content for _ in range(3)] == [b"1", b"2", b"3"]
    assert another.get("/visit").content == b"1"
    assert browser.get("/leave").content == b"bye"
    assert browser.get("/visit").content == b"1"
    assert [browser.get("/page").content for _ in range(3)] == [b"call 1"] * 3


if __name__ == "__main__":
    use_the_cache()
    use_sessions()
