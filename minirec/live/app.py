"""The service over HTTP: routes, and around them what every request goes through. Needs the extra `live`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import MinirecError, RequestError, StoreError
from . import overview, page
from .asks import ask_of_query, asks_of_body, body, number, query, whole
from .checks import MAX_ID, columns_from, event_from, id_from
from .journal import Journal
from .keys import ROLES, Keys, Rates
from .metrics import Metrics
from .openapi import DESCRIPTION, OPERATIONS
from .service import Answer, Service

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

MAX_BODY, MAX_EVENTS = 8 * 2**20, 20_000
PATIENCE = 10.0  # seconds for a body to arrive, and for a commit
_STATUS = {"full": 507, "busy": 503, "readonly": 503, "damaged": 503, "closed": 503, "other": 503}
_OPEN, _READ, _WRITE, _ADMIN = -1, 0, 1, 2
# route: the methods, and the role that they need where keys exist
ROUTES = {
    "/": {"GET": _OPEN},
    "/health": {"GET": _OPEN},
    "/metrics": {"GET": _OPEN},
    "/docs": {"GET": _OPEN},
    "/openapi.json": {"GET": _OPEN},
    "/static": {"GET": _OPEN},
    "/v1/recommend": {"GET": _OPEN, "POST": _OPEN},
    "/v1/similar": {"GET": _OPEN},
    "/v1/explain": {"GET": _READ},
    "/v1/events": {"POST": _WRITE},
    "/v1/items": {"PUT": _WRITE, "GET": _OPEN},
    "/v1/users": {"GET": _READ, "PUT": _WRITE, "DELETE": _ADMIN},
    "/v1/overview": {"GET": _READ},
    "/v1/audit": {"GET": _READ},
    "other": {},
}
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
     b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
]  # fmt: skip
_NO_STORE = (b"cache-control", b"no-store")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def route_of(path: str) -> str:
    """The route that a path is of, for roles, metrics and logs."""
    if path in ROUTES:
        return path
    parts = path.split("/", 3)
    prefix = "/".join(parts[:3])
    if len(parts) == 4 and prefix in ("/v1/similar", "/v1/users", "/v1/items"):
        return prefix
    return "/static" if path.startswith("/static/") else "other"


class Guard:
    """Around the application: keys, rates, sizes, security headers, metrics, logs; whatever goes wrong inside has an answer."""

    def __init__(self, app: Any, keys: Keys, rates: Rates, metrics: Metrics, journal: Journal) -> None:
        self.app, self.keys, self.rates, self.metrics, self.journal = app, keys, rates, metrics, journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, route, status, sent = time.perf_counter(), route_of(scope["path"]), 500, False

        async def answer(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status, sent = message["status"], True
                headers = message["headers"] = [*message.get("headers", ()), *_HEADERS]
                if route not in ("/static",):
                    headers.append(_NO_STORE)
            await send(message)

        try:
            self._admit(scope, route)
            await self.app(scope, _limited(receive, dict(scope["headers"])), answer)
        except RequestError as error:
            if not sent:
                await _fail(answer, error.status, str(error), getattr(error, "retry", None))
        except Exception as error:
            self.journal.write("failure", "error", route=route, method=scope["method"], error=type(error).__name__)
            if not sent:
                await _fail(answer, 500, "the service failed at this request; its log says where")
        finally:
            seconds = time.perf_counter() - start
            self.metrics.request(route, status, seconds)
            self.journal.request(route, scope["method"], status, seconds)

    def _admit(self, scope: Scope, route: str) -> None:
        headers = dict(scope["headers"])
        needed = ROUTES[route].get("GET" if scope["method"] == "HEAD" else scope["method"], _OPEN)
        if len(self.keys):
            role = self.keys.role(headers)
            if role < needed:
                raise RequestError(
                    f"this needs a key of the role {ROLES[needed]}: send it as Authorization: Bearer KEY", 401 if role < 0 else 403
                )
        elif scope["method"] not in ("GET", "HEAD"):
            _same_origin(headers)
        if self.rates.rate and route not in ("/health", "/metrics"):
            client = headers.get(b"authorization") or headers.get(b"x-api-key") or str((scope.get("client") or ("?",))[0]).encode()
            wait = self.rates.wait(client)
            if wait:
                error = RequestError(f"too many requests: {self.rates.rate:g} a second are possible", 429)
                error.retry = max(1, round(wait + 0.5))  # type: ignore[attr-defined]
                raise error


def _same_origin(headers: dict[bytes, bytes]) -> None:
    """Without keys a page of another site must not be able to write by way of a visitor's browser."""
    origin = headers.get(b"origin")
    if origin is not None and origin.split(b"//", 1)[-1] != headers.get(b"host"):
        raise RequestError("writes from pages of other sites need a key", 403)


def _limited(receive: Receive, headers: dict[bytes, bytes]) -> Receive:
    """Bodies of at most MAX_BODY bytes, that arrive within PATIENCE seconds."""
    told, got, until = headers.get(b"content-length", b"0"), 0, None
    if not told.isdigit() or int(told) > MAX_BODY:
        raise RequestError(f"the body is larger than {MAX_BODY:,} bytes: send it in parts", 413)

    async def limited() -> Message:
        nonlocal got, until
        loop = asyncio.get_running_loop()
        until = until or loop.time() + PATIENCE
        try:
            message = await asyncio.wait_for(receive(), max(until - loop.time(), 0.01))
        except TimeoutError:
            raise RequestError(f"the body did not arrive within {PATIENCE:.0f} s", 408) from None
        got += len(message.get("body", b""))
        if got > MAX_BODY:
            raise RequestError(f"the body is larger than {MAX_BODY:,} bytes: send it in parts", 413)
        return message

    return limited if told != b"0" or b"transfer-encoding" in headers else receive


async def _fail(send: Send, status: int, text: str, retry: int | None = None) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry is not None:
        headers.append((b"retry-after", str(retry).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": text}).encode()})


def make_app(service: Service, *, keys: Keys, rates: Rates, metrics: Metrics, journal: Journal) -> Guard:
    """The application (ASGI) of a service."""
    from fastapi import FastAPI, Response

    app = FastAPI(title="minirec", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None)
    routes = Routes(service, metrics)
    for name, operation in OPERATIONS.items():
        app.add_api_route(
            operation.path, _endpoint(getattr(routes, name)), methods=[operation.method], operation_id=name, summary=operation.summary,
            openapi_extra=operation.extra, response_class=Response, responses=operation.responses, tags=[operation.tag],
        )  # fmt: skip
    for path, (kind, content) in page.FILES.items():
        app.add_api_route(path, _static(content, kind), methods=["GET"], include_in_schema=False)
    _add_errors(app)
    return Guard(app, keys, rates, metrics, journal)


def _endpoint(handler: Callable[[Request], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """A handler with the signature that FastAPI reads, as the annotation is a name that only it and type checkers import."""
    from fastapi import Request

    async def endpoint(request: Any) -> Response:
        return await handler(request)

    endpoint.__signature__ = Signature([Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)])  # type: ignore[attr-defined]
    return endpoint


def _static(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    from fastapi import Response as Made

    async def file():  # type: ignore[no-untyped-def]
        return Made(content, media_type=kind)

    return file


def _add_errors(app: FastAPI) -> None:
    from fastapi import Response
    from starlette.exceptions import HTTPException

    def answer(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
        return Response(json.dumps({"error": text}), status, headers, "application/json")

    async def of_request(request: Request, error: Exception) -> Response:
        return answer(getattr(error, "status", 422), str(error))

    async def of_store(request: Request, error: Exception) -> Response:
        status = _STATUS[error.reason] if isinstance(error, StoreError) else 503
        return answer(status, str(error), {"retry-after": "1"} if status == 503 else None)

    async def of_http(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 500)
        text = {404: "there is no such address: see /docs", 405: "this method is not possible here: see /docs"}.get(status, "bad request")
        return answer(status, text)

    app.add_exception_handler(MinirecError, of_request)
    app.add_exception_handler(StoreError, of_store)
    app.add_exception_handler(HTTPException, of_http)


class Routes:
    """One method an operation of `openapi.OPERATIONS`; bodies are plain bytes, without a model for each field."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        from fastapi import Response

        self.service, self.metrics = service, metrics
        self._response = Response

    def _json(self, content: Any, status: int = 200) -> Response:
        return self._response(json.dumps(content, allow_nan=False), status, media_type="application/json")

    def _list(self, answer: Answer, user: Any = None) -> bytes:
        encoded = self.service.catalogue.encoded
        items = b", ".join(
            b"{%s, " % encoded(item) + b'"score": ' + number(score) + (b', "source": "content"}' if item in answer.content else b"}")
            for item, score in answer.items
        )
        ignored = b', "ignored": ' + json.dumps(list(answer.ignored)).encode() if answer.ignored else b""
        who = b"" if user is None else b', "user": ' + json.dumps(user).encode()
        return b'{"items": [%s], "list_id": "%s", "source": "%s"%s%s}' % (
            items,
            answer.list_id.encode(),
            answer.source.encode(),
            who,
            ignored,
        )

    async def recommend(self, request: Request) -> Response:
        ask, preview = ask_of_query(request.scope["query_string"], self.service)
        answer = self.service.recommend(ask, log=not preview)
        self.metrics.add("lists_served", not preview)
        return self._response(self._list(answer, ask.user), media_type="application/json")

    async def recommend_by_body(self, request: Request) -> Response:
        asks, several, preview = asks_of_body(body(await request.body()), self.service)
        parts: list[bytes] = []
        for at, ask in enumerate(asks):
            parts.append(self._list(self.service.recommend(ask, log=not preview), ask.user))
            if at % 20 == 19:
                await asyncio.sleep(0)  # others get their turn
        self.metrics.add("lists_served", 0 if preview else len(asks))
        return self._response(b'{"lists": [%s]}' % b", ".join(parts) if several else parts[0], media_type="application/json")

    async def similar(self, request: Request) -> Response:
        given = query(request.scope["query_string"], ("k",))
        item = self.service.typed("item", id_from(request.path_params["item"], "item"), text=True)
        source, found = self.service.similar(item, whole(given.get("k", "10"), "k", 1, 500))
        parts = b", ".join(b"{%s, " % self.service.catalogue.encoded(other) + b'"score": ' + number(score) + b"}" for other, score in found)
        return self._response(b'{"items": [%s], "source": "%s"}' % (parts, source.encode()), media_type="application/json")

    async def explain(self, request: Request) -> Response:
        given = query(request.scope["query_string"], ("user", "item"))
        if len(given) < 2:
            raise RequestError("explain needs user and item: /v1/explain?user=42&item=7")
        user = self.service.typed("user", id_from(given["user"], "user"), text=True)
        item = self.service.typed("item", id_from(given["item"], "item"), text=True)
        score, parts = self.service.explain(user, item)
        return self._json(overview.reasons(self.service, user, item, score, parts))

    async def events(self, request: Request) -> Response:
        raw = body(await request.body())
        if not isinstance(raw, list):
            raise RequestError("the body is a list of events")
        if len(raw) > MAX_EVENTS:
            raise RequestError(f"{len(raw):,} events; at most {MAX_EVENTS:,} at once", 413)
        now, events, given, rejected = self.service.store.now(), [], [], []
        for at, entry in enumerate(raw):
            try:
                event = event_from(entry, now)
            except RequestError as error:
                rejected.append({"at": at, "event_id": _told(entry), "reason": str(error)})
                continue
            events.append(event._replace(user=self.service.typed("user", event.user), item=self.service.typed("item", event.item)))
            given.append(entry["event_id"])
        conflicts: frozenset[str] = frozenset()
        if events:
            done = asyncio.wrap_future(self.service.store.submit(events))
            try:
                receipt = await asyncio.wait_for(asyncio.shield(done), PATIENCE)
            except TimeoutError:
                raise RequestError("the events are not durable yet: send them again, each counts once", 503) from None
            conflicts = frozenset(receipt.conflicts)
            self.metrics.add("events_acknowledged", receipt.stored)
            self.metrics.add("events_repeated", receipt.repeated)
        for event, name in zip(events, given, strict=True):
            if event.event_id in conflicts:
                rejected.append({"event_id": name, "reason": "another event has this event_id already"})
        self.metrics.add("events_rejected", len(rejected))
        acknowledged = [name for event, name in zip(events, given, strict=True) if event.event_id not in conflicts] if conflicts else given
        status = 422 if rejected and not acknowledged else 200
        return self._json({"acknowledged": acknowledged, "rejected": rejected, "durability": self.service.store.durability}, status)

    async def put_items(self, request: Request) -> Response:
        return await self._put("item", self.service.store.put_items, body(await request.body()))

    async def put_users(self, request: Request) -> Response:
        return await self._put("user", self.service.store.put_users, body(await request.body()))

    async def _put(self, side: str, put: Callable[..., Any], raw: Any) -> Response:
        entries = raw if isinstance(raw, list) else [raw]
        if len(entries) > MAX_EVENTS:
            raise RequestError(f"{len(entries):,} {side}s; at most {MAX_EVENTS:,} at once", 413)
        rows: dict[Any, Any] = {}
        for at, entry in enumerate(entries):
            columns = columns_from(entry, f"entry {at}")
            if columns.get(side) is None:
                raise RequestError(f"entry {at} has no {side}")
            key = self.service.typed(side, id_from(columns.pop(side), side))
            taken = [name for name in columns if name in ("item", "score", "source")]
            if taken and side == "item":
                raise RequestError(f"entry {at}: {taken[0]} is the name of a field of answers; give the column another one")
            rows[key] = {**rows.get(key, {}), **columns}
        stored = await asyncio.wait_for(asyncio.wrap_future(put(rows)), PATIENCE) if rows else 0
        return self._json({"stored": stored})

    async def item(self, request: Request) -> Response:
        item = self.service.typed("item", id_from(request.path_params["item"], "item"), text=True)
        return self._json(overview.item(self.service, item))

    async def user(self, request: Request) -> Response:
        user = self.service.typed("user", id_from(request.path_params["user"], "user"), text=True)
        return self._json(self.service.held(user))

    async def delete_user(self, request: Request) -> Response:
        user = self.service.typed("user", id_from(request.path_params["user"], "user"), text=True)
        return self._json(await asyncio.get_running_loop().run_in_executor(None, self.service.erase, user))

    async def health(self, request: Request) -> Response:
        service = self.service
        service.refresh()
        return self._json({"status": "ok", "model": service.current.name, "events": service.seq, "version": __version__})

    async def prometheus(self, request: Request) -> Response:
        service = self.service
        gauges = {
            "events_waiting": ("events that wait for their commit", float(service.store.waiting)),
            "last_event": ("place of the last event in the log", float(service.seq)),
            "items": ("items of the model", float(len(service.current.items))),
            "resident_bytes": ("memory of this worker", overview.resident()),
        }
        return self._response(self.metrics.text(gauges), media_type="text/plain; version=0.0.4")

    async def overview(self, request: Request) -> Response:
        return self._json(overview.overview(self.service, self.metrics))

    async def audit(self, request: Request) -> Response:
        return self._json(overview.audit(self.service))


def _told(entry: Any) -> Any:
    name = entry.get("event_id") if isinstance(entry, dict) else None
    return name if isinstance(name, (int, str)) and len(str(name)[: MAX_ID + 1]) <= MAX_ID else None
