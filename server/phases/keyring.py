"""The sites' keys for masked sums: taken at the handshake, and shown to every site before it is asked for a sum.

The server carries the keys and cannot exchange one: a site accepts what the node keys of its own roster signed. What
the server checks here is for its own sake, so that one site with a wrong key does not stop the others.
"""

import hashlib
from collections.abc import Mapping, Sequence

from flwr.app import ConfigRecord, RecordDict

from server.phases.options import Options
from server.state.study import StudyState
from strategies.checks import Holder, UnusableError
from strategies.masked_exchange.wire import adverts_record
from strategies.masking.keys import Advert, Run, refused_adverts
from strategies.masking.labels import threshold
from strategies.wire import CONFIG, STUDY

_KEY_BYTES = 32
HOW = "it runs `tessera-client trust --roster`"


class Keyring:
    """The keys of one run, and which site was told of them."""

    def __init__(self, study: StudyState, options: Options, run_id: int) -> None:
        self._rosters = {roster.digest: roster for roster in options.rosters}
        self._study, self._run_id = study.federation.digest, str(run_id)
        self._least = study.federation.privacy.least_sites
        self._adverts: dict[str, Advert] = {}
        self._approved: dict[str, str] = {}
        """Site -> digest of the roster that it approved."""
        self._told: dict[str, bytes] = {}
        self._roster = ""
        """Digest of the roster of this run, once it is settled."""

    def take(self, site: str, introduction: ConfigRecord) -> None:
        """Keep the key that a site sent with its introduction.

        Raises:
            UnusableError: there is none, or its node key, as the roster has it, did not sign it; or it approved a
                roster that this study never had.
        """
        words = [introduction.get(name) for name in ("key", "node-key", "signature")]
        public, node_key, signature = [word if isinstance(word, bytes) else b"" for word in words]
        approved = str(introduction.get("roster"))
        if len(public) != _KEY_BYTES:
            raise UnusableError("it sent no key for masked sums; its own log says why")
        if self._rosters and approved not in self._rosters:
            raise UnusableError(f"it approved a roster that is not of this study; {HOW}")
        advert = Advert(site, public, node_key, signature)
        run = Run(self._study, approved, self._run_id)
        if self._rosters and refused_adverts(run, self._rosters[approved], [advert]):
            raise UnusableError("its node key of the roster did not sign its key for masked sums")
        if self._adverts.get(site, advert).public != public:
            self.forget(site)
        self._adverts[site], self._approved[site] = advert, approved

    def settle_roster(self) -> None:
        """Take the newest roster that enough of its sites approved, for the whole of this run.

        Raises:
            RuntimeError: there is none.
        """
        if not self._rosters or self._roster:
            return
        lacking = []
        for digest, roster in self._rosters.items():
            n, needed = list(self._approved.values()).count(digest), threshold(len(roster.sites), self._least)
            if n >= needed:
                self._roster = digest
                return
            of = len(roster.sites)
            lacking.append(f"roster {digest[:12]} is approved by {n} of its {of} sites, and takes {needed}")
        raise RuntimeError(f"masked sums: {'; '.join(lacking)}: the sites run `tessera-client trust --roster`")

    def left_out(self, site: str) -> str:
        """Why a site is not among the peers of this run; empty if it is."""
        if self._approved.get(site) == self._roster:
            return ""
        return f"away: it approved another roster than enough others; {HOW}"

    def approved_another(self, site: str) -> bool:
        """Whether it was here in this run, with a roster that is not this run's."""
        return site in self._approved and bool(self.left_out(site))

    def forget(self, site: str) -> None:
        """The site was started anew, and has to be told again."""
        self._told.pop(site, None)

    def questions(self, holders: Sequence[Holder]) -> list[tuple[Holder, RecordDict]]:
        """The sites that do not know all keys of today, each with the message that tells it."""
        record = adverts_record(self._peers)
        return [(holder, RecordDict({CONFIG + STUDY: record})) for holder in holders if not self.is_known_to(holder)]

    def note_told(self, holder: Holder) -> None:
        """The site accepted the keys of today."""
        self._told[holder.site] = self._digest

    def is_known_to(self, holder: Holder) -> bool:
        """Whether the site accepted the keys of today."""
        return self._told.get(holder.site) == self._digest

    @property
    def _peers(self) -> Mapping[str, Advert]:
        return {site: advert for site, advert in self._adverts.items() if not self.left_out(site)}

    @property
    def _digest(self) -> bytes:
        """Of all keys: a site that was told of others has to be told again."""
        peers = self._peers
        return hashlib.sha256(b"".join(peers[site].public for site in sorted(peers))).digest()
