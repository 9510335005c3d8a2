"""Flower's SuperNode as a site needs it: it looks for work often, reports its connection, and ends when it gives up.

What is not public of it here, and why:

- the `time` of its loop, which sleeps 3 s between two looks and .5 s for a reply: most of a short round;
- the `pull_objects` of its loop: see `pace.polling`;
- its `subprocess`, by which it starts a SuperExec: see `processes`;
- its `_pull_and_store_message`: where a run ends just as its message is received, Flower's loop forgets that it is
  being worked on, sends its reply in the place of the next one's, and keeps each later reply until one more message
  comes, which never does where the coordinator waits for that reply;
- its `FleetHttpClient`, through which every request to the coordinator passes, and which therefore knows whether the
  connection stands. Flower writes that into its log and nowhere else;
- the rule by which its requests are tried again: Flower takes every transport error for final whose text holds "ssl",
  "tls" or "certificate", so a gateway that stalls while a connection is being opened would lose the site for good;
- that `flower_supernode` returns when Flower has given up. The thread of its HTTP server then keeps the process alive,
  without a connection and without a word.
"""

import ssl
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn, Protocol

import httpx
from flwr.supercore.exit import ExitCode, flwr_exit
from flwr.supernode import fleet_http_connection, start_client_internal
from flwr.supernode.cli import flower_supernode
from flwr.supernode.fleet_http_client import FleetHttpClient

from strategies.flower.causes import causes
from strategies.flower.pace.polling import looking_often
from strategies.flower.pace.whole import take_requests_whole
from strategies.flower.processes import with_vital_children

_OWN_S, _QUICK_S, _BUSY_S, _IDLE_LOOK_S = 0.02, 0.2, 120.0, 3.0


class Watch(Protocol):
    """Who is told how the SuperNode's requests fare; called from two threads."""

    def answered(self, request: str) -> None:
        """The coordinator answered this request, such as `pull-messages` or `send-node-heartbeat`."""
        ...

    def failed(self, request: str, error: httpx.HTTPError) -> None:
        """This request was not answered, or was refused."""
        ...

    def asked(self, message_type: str) -> None:
        """A message came, such as `train.branches`."""
        ...


def run_supernode(watch: Watch) -> NoReturn:
    """Run Flower's program, with the arguments of this process, until it is told to end or gives up."""
    adapt(watch)
    take_requests_whole()
    flower_supernode()
    flwr_exit(ExitCode.SUPERNODE_CONNECTION_ERROR, "The connection was lost, and Flower does not try any longer.")


def adapt(watch: Watch) -> None:
    """Put what stands above into Flower's modules."""
    loop: Any = start_client_internal
    loop.subprocess = with_vital_children()
    loop.time = SimpleNamespace(sleep=QuickSleep().sleep)
    loop.pull_objects = looking_often(loop.pull_objects)
    loop._pull_and_store_message = leaving_no_reply(loop._pull_and_store_message)
    connection: Any = fleet_http_connection
    connection.FleetHttpClient = watched(watch)
    connection.make_simple_http_retry_invoker = patient(connection.make_simple_http_retry_invoker)


class QuickSleep:
    """Stands in for `time` in Flower's loop, which sleeps 3 s only where no message was there.

    Quick while there is work, and until nothing has come for a while: then a site that waits for months asks as seldom
    as Flower's own. For a task's reply it looks into its own memory, and asks nobody: that may be more often.
    """

    def __init__(self) -> None:
        self._last_work = time.monotonic()  # a study may be waiting for this site

    def sleep(self, seconds: float) -> None:
        """Sleep as long as is sensible now."""
        now = time.monotonic()
        if seconds < _IDLE_LOOK_S:
            self._last_work = now
            seconds = min(seconds, _OWN_S)
        elif now - self._last_work < _BUSY_S:
            seconds = min(seconds, _QUICK_S)
        time.sleep(seconds)


def leaving_no_reply(pull: Callable[..., int | None]) -> Callable[..., int | None]:
    """Flower's pulling of a message, which sends the loop on to the replies also where only a reply is there.

    It returns the run's id, and None sends the loop to sleep.
    """

    def pulled(*, state: Any, **others: Any) -> int | None:
        found = pull(state=state, **others)
        if found is not None:
            return found
        with state.lock_msg_store:
            waiting = [entry.message.metadata for entry in state.msg_store.values() if not entry.is_retrieved]
        return next((own.run_id for own in waiting if own.reply_to_message_id), None)

    return pulled


def watched(watch: Watch) -> type[FleetHttpClient]:
    """Flower's client, whose every request is reported."""

    class Watched(FleetHttpClient):
        def _unary_unary(self, *, path: str, **options: Any) -> Any:
            request = path.rpartition("/")[2]
            try:
                response = super()._unary_unary(path=path, **options)
            except httpx.HTTPError as error:
                watch.failed(request, error)
                raise
            watch.answered(request)
            if request == "pull-messages":
                for message in response.messages_list:
                    watch.asked(message.metadata.message_type)
            return response

    return Watched


def patient(make_invoker: Callable[[], Any]) -> Callable[[], Any]:
    """Flower's retries, which of all transport errors give up on a certificate alone."""

    def make() -> Any:
        invoker = make_invoker()
        flowers = invoker.should_giveup

        def is_final(error: Exception) -> bool:
            if isinstance(error, httpx.TransportError):
                return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))
            return flowers(error)

        invoker.should_giveup = is_final
        return invoker

    return make
