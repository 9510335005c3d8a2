"""A site's reply reaches Flower's real database: though that is locked for a while, and though a piece comes twice."""

import asyncio
import sqlite3
from contextlib import closing
from threading import Timer

import httpx
import pytest
from fastapi import FastAPI
from flwr.app import ConfigRecord
from flwr.proto.message_pb2 import PushObjectRequest
from flwr.server.superlink.linkstate import LinkStateFactory
from flwr.supercore import sql_mixin
from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
from flwr.supercore.error import http_error_translator
from flwr.supercore.inflatable.inflatable_object import get_object_tree
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.superlink.federation.noop_federation_manager import NoOpFederationManager
from flwr.superlink.servicer.fleet import fleet_handlers
from sqlalchemy.exc import OperationalError

from strategies.flower import superlink

pytestmark = pytest.mark.filterwarnings("ignore:No path_separator found")  # Alembic's, of Flower's own settings
RECORD = ConfigRecord({"bytes": b"a site's sum"})
LOCKED_S = 0.3


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Flower's, with no patience at all, so that nobody has to wait for it here."""
    monkeypatch.setattr(sql_mixin, "SQLITE_PRAGMAS", (*sql_mixin.SQLITE_PRAGMAS, ("busy_timeout", "0")))
    return str(tmp_path / "state.db")


def opened(database):
    return LinkStateFactory(database, NoOpFederationManager(), ObjectStoreFactory(database)).state()


def asked_to_store(state):
    """The request that brings a piece of a reply, in a run that goes on."""
    run_id = state.create_run("f", "1", "hash", {}, NOOP_FEDERATION_ID, None, None, TaskType.SERVER_APP)
    (task,) = state.get_tasks(run_ids=[run_id])
    assert state.claim_task(task.task_id)
    assert state.activate_task(task.task_id)
    session = state.start_session(run_id)
    assert state.preregister_object_tree(get_object_tree(RECORD), session) == [RECORD.object_id]
    return PushObjectRequest(
        run_id=run_id, session_id=session, object_id=RECORD.object_id, object_content=RECORD.deflate()
    )


def answered(app, path="/"):
    """The status of the answer to one request."""

    async def post():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://superlink") as client:
            return (await client.post(path)).status_code

    return asyncio.run(post())


def locked(database):
    """By somebody else, as by a disk that stalls while it writes."""
    other = sqlite3.connect(database, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return closing(other)


def test_flowers_own_fails_where_the_database_is_locked_for_longer_than_it_waits_and_ours_waits(database, monkeypatch):
    state = opened(database)
    request = asked_to_store(state)
    with locked(database), pytest.raises(OperationalError, match="locked"):  # which loses the site's reply
        fleet_handlers.push_object(request, state)
    monkeypatch.setattr(sql_mixin, "SQLITE_PRAGMAS", superlink.PRAGMAS)
    patient = opened(database)
    with locked(database) as other:
        Timer(LOCKED_S, other.rollback).start()
        assert fleet_handlers.push_object(request, patient).stored


@pytest.mark.parametrize(
    ("translate", "status"), [(http_error_translator, 500), (superlink.patient(http_error_translator), 503)]
)
def test_a_request_that_finds_it_locked_to_the_end_is_one_to_try_again(database, translate, status):
    """At 500 the SuperExec ends, and no run goes on; a SuperNode gives its reply up."""
    app, state = FastAPI(), opened(database)
    app.middleware("http")(translate)
    app.post("/{run_id}")(lambda run_id: bool(state.start_session(int(run_id))))
    request = asked_to_store(state)
    with locked(database):
        assert answered(app, f"/{request.run_id}") == status
    assert answered(app, f"/{request.run_id}") == 200
    assert answered(app, "/no-number") == 500


def test_a_piece_whose_answer_was_lost_is_stored_also_when_it_comes_again(database):
    state = opened(database)
    request = asked_to_store(state)
    push = superlink.storing_again(fleet_handlers.push_object)
    assert push(request=request, state=state).stored
    assert not fleet_handlers.push_object(request, state).stored  # why a site would give its reply up
    assert push(request=request, state=state).stored
    request.object_content = b"another content"
    assert not push(request=request, state=state).stored


def test_what_else_fails_in_the_database_is_the_servers(database):
    app, state = FastAPI(), opened(database)
    app.middleware("http")(superlink.patient(http_error_translator))
    app.post("/")(lambda: state.start_session(1))
    with closing(sqlite3.connect(database)) as other:
        other.execute("DROP TABLE object_push_sessions")
    assert answered(app) == 500
