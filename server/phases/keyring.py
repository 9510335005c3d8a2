"""The sites' keys for masked sums: taken at the handshake, and shown to every site before it is asked for a sum.

The server carries the keys and cannot exchange one: a site accepts what the node keys of its own roster signed. What
the server checks here is for its own sake, so that one site with a wrong key does not stop the others.
"""

import hashlib
from collections.abc import Sequence

from flwr.app import ConfigRecord, RecordDict

from server.phases.options import Options
from server.state.study import StudyState
from strategies.checks import Holder, UnusableError
from strategies.masked_exchange.wire import adverts_record
from strategies.masking.keys import Advert, Run, refused_adverts
from strategies.wire import CONFIG, STUDY

_KEY_BYTES = 32


class Keyring:
    """The keys of one run, and which site was told of them."""

    def __init__(self, study: StudyState, options: Options, run_id: int) -> None:
        self._roster = options.roster
        self._run = Run(study.federation.digest, self._roster.digest if self._roster else "", str(run_id))
        self._adverts: dict[str, Advert] = {}
        self._told: dict[str, bytes] = {}
        self._digest = b""
        """Of all keys: a site that was told of others has to be told again."""

    def take(self, site: str, introduction: ConfigRecord) -> None:
        """Keep the key that a site sent with its introduction.

        Raises:
            UnusableError: there is none, or its node key, as the roster has it, did not sign it.
        """
        words = [introduction.get(name) for name in ("key", "node-key", "signature")]
        public, node_key, signature = [word if isinstance(word, bytes) else b"" for word in words]
        if len(public) != _KEY_BYTES:
            raise UnusableError("it sent no key for masked sums; its own log says why")
        if introduction.get("roster") != self._run.roster:
            raise UnusableError("it approved another roster; the site runs `tessera-client trust --roster`")
        advert = Advert(site, public, node_key, signature)
        if self._roster is not None and refused_adverts(self._run, self._roster, [advert]):
            raise UnusableError("its node key of the roster did not sign its key for masked sums")
        if self._adverts.get(site, advert).public != public:
            self.forget(site)
        self._adverts[site] = advert
        self._digest = hashlib.sha256(b"".join(self._adverts[name].public for name in sorted(self._adverts))).digest()

    def forget(self, site: str) -> None:
        """The site was started anew, and has to be told again."""
        self._told.pop(site, None)

    def questions(self, holders: Sequence[Holder]) -> list[tuple[Holder, RecordDict]]:
        """The sites that do not know all keys of today, each with the message that tells it."""
        record = adverts_record(self._adverts)
        return [(holder, RecordDict({CONFIG + STUDY: record})) for holder in holders if not self.is_known_to(holder)]

    def note_told(self, holder: Holder) -> None:
        """The site accepted the keys of today."""
        self._told[holder.site] = self._digest

    def is_known_to(self, holder: Holder) -> bool:
        """Whether the site accepted the keys of today."""
        return self._told.get(holder.site) == self._digest
