"""A request of a site or a task is one message, and so is its answer; Flower's own middlewares around it."""

import asyncio

import httpx
import pytest
from fastapi import HTTPException, Request, Response
from flwr.proto.message_pb2 import PullObjectRequest, PullObjectResponse, PushObjectRequest, PushObjectResponse
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from flwr.superlink.main import create_app
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Route

from strategies.flower.pace import whole

PIECE = bytes(range(256)) * 2**12
PROTOBUF = {"content-type": PROTOBUF_MEDIA_TYPE}
PULL = "/v1/runtime/pull-object"


@pytest.fixture(params=["flowing", "whole"])
def way(request, monkeypatch):
    """As Starlette does it, and as it is done here."""
    monkeypatch.setattr(BaseHTTPMiddleware, "__call__", whole._flowing)
    if request.param == "whole":
        whole.take_requests_whole()
    return request.param


def posted(app, path, **options):
    async def post():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://superlink") as client:
            return await client.post(path, **options)

    return asyncio.run(post())


def app_of(endpoint, *dispatches, path=PULL):
    around = [Middleware(BaseHTTPMiddleware, dispatch=dispatch) for dispatch in dispatches]
    return Starlette(routes=[Route(path, endpoint, methods=["POST"])], middleware=around)


async def reading(request, call_next):
    """A middleware that reads the body before the application does."""
    request.state.n_bytes = len(await request.body())
    response = await call_next(request)
    response.headers["n-bytes"] = str(request.state.n_bytes)
    return response


async def passing(request, call_next):
    return await call_next(request)


async def echo(request: Request) -> Response:
    return Response(await request.body(), status_code=201, headers={"kind": "echo"})


def test_body_status_and_headers_pass_through_middlewares_that_read_them(way):
    answer = posted(app_of(echo, passing, reading, passing), PULL, content=PIECE)
    assert (answer.status_code, answer.content) == (201, PIECE)
    assert (answer.headers["kind"], answer.headers["n-bytes"]) == ("echo", str(len(PIECE)))
    assert answer.headers["content-length"] == str(len(PIECE))


def test_what_the_application_raises_reaches_the_middleware_around_it(way):
    async def fail(request):
        raise LookupError("nobody knows it")

    async def translate(request, call_next):
        try:
            return await call_next(request)
        except LookupError as error:
            return Response(str(error), status_code=404)

    answer = posted(app_of(fail, translate, passing), PULL)
    assert (answer.status_code, answer.text) == (404, "nobody knows it")


def test_a_middleware_may_refuse_without_asking_the_application(way):
    async def refuse(request, call_next):
        return Response(status_code=403)

    async def never(request):
        raise AssertionError

    assert posted(app_of(never, passing, refuse), PULL).status_code == 403


def test_no_task_is_made_for_a_request_taken_whole(monkeypatch):
    monkeypatch.setattr(BaseHTTPMiddleware, "__call__", whole._call)
    tasks = []

    async def counting(request):
        tasks.append(len(asyncio.all_tasks()))
        return Response()

    posted(app_of(counting, passing, passing), PULL)
    posted(app_of(counting, passing, passing, path="/v1/control/stream-logs"), "/v1/control/stream-logs")
    assert tasks[0] < tasks[1]  # streams are passed on by tasks, as before


def test_only_routes_with_one_message_each_way_are_taken_whole():
    assert {path.split("/")[2] for _, path in whole.WHOLE} == {"fleet", "runtime"}
    paths = create_app().openapi()["paths"]
    answers = {path: paths[path]["post"]["responses"]["200"]["content"] for _, path in whole.WHOLE}
    assert "/v1/fleet/push-object" in answers
    assert {media for own in answers.values() for media in own} == {PROTOBUF_MEDIA_TYPE}  # and no stream


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/fleet/push-object", PushObjectRequest(run_id=1, object_id="0", object_content=PIECE)),
        (PULL, PullObjectRequest(run_id=1, object_id="0")),
    ],
)
def test_flowers_own_application_refuses_whom_it_refused(way, path, asked):
    """Without a key, without a token, with a body that is no message, and of another kind."""
    app = create_app()
    assert posted(app, path, content=asked.SerializeToString(), headers=PROTOBUF).status_code == 401
    assert posted(app, path, content=b"\xff" * 9, headers=PROTOBUF).status_code == 400
    assert posted(app, path, content=b"{}", headers={"content-type": "application/json"}).status_code == 415


def test_flowers_own_application_answers_with_the_message(way, monkeypatch):
    from flwr.superlink.routers.fleet import node_auth
    from flwr.superlink.servicer.fleet import fleet_handlers

    def answered(request, state):
        if isinstance(request, PushObjectRequest):
            return PushObjectResponse(stored=request.object_content == PIECE)
        if request.object_id == "0":
            return PullObjectResponse(object_found=True, object_available=True, object_content=PIECE)
        raise HTTPException(400, "This request makes no sense")

    monkeypatch.setattr(node_auth, "authenticate_node", lambda request: None)
    for name in ("push_object", "pull_object"):
        monkeypatch.setattr(fleet_handlers, name, answered)
    app = create_app()
    push = PushObjectRequest(run_id=1, object_id="0", object_content=PIECE).SerializeToString()
    answer = posted(app, "/v1/fleet/push-object", content=push, headers=PROTOBUF)
    assert PushObjectResponse.FromString(answer.content).stored
    for asked, status in (("0", 200), ("1", 400)):
        pull = PullObjectRequest(run_id=1, object_id=asked).SerializeToString()
        answer = posted(app, "/v1/fleet/pull-object", content=pull, headers=PROTOBUF)
        assert answer.status_code == status
        if status == 200:
            assert PullObjectResponse.FromString(answer.content).object_content == PIECE
            assert answer.headers["content-type"] == PROTOBUF_MEDIA_TYPE
