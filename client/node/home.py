"""A site's own folder for what is not data: `.tessera` in the site folder, with its key, logs and state."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """Where a site keeps what it needs to take part."""

    site: Path
    """The site folder."""

    @property
    def folder(self) -> Path:
        """Everything below is made by Tessera."""
        return self.site / ".tessera"

    @property
    def key(self) -> Path:
        """The node key: who this site is. Never leaves it."""
        return self.folder / "node.key"

    @property
    def public_key(self) -> Path:
        """Its public half, for the coordinator."""
        return self.folder / "node.pub"

    @property
    def log(self) -> Path:
        """What the SuperNode and the training said; it may name cases, so it stays here."""
        return self.folder / "site.log"

    @property
    def audit(self) -> Path:
        """audit.jsonl: every message that came and every reply that left; kept when the site leaves."""
        return self.folder / "audit.jsonl"

    @property
    def audit_tree(self) -> Path:
        """The Merkle tree of audit.jsonl, made again from it where it is missing."""
        return self.folder / "audit.tree"

    @property
    def audit_torn(self) -> Path:
        """Lines of audit.jsonl that a crash broke off."""
        return self.folder / "audit.torn"

    @property
    def receipts(self) -> Path:
        """receipts.jsonl: the heads of this site's audit log that the coordinator countersigned."""
        return self.folder / "receipts.jsonl"

    @property
    def witnessed(self) -> Path:
        """witnessed.jsonl: the same of other sites' logs, kept so that they can be held against them."""
        return self.folder / "witnessed.jsonl"

    @property
    def prepared(self) -> Path:
        """The site's data as tensors, ready for training; `leave` takes it away."""
        return self.folder / "prepared"

    @property
    def answered(self) -> Path:
        """What the site trained, a file a study: what `policy.max_rounds` is held against; `leave` takes it away."""
        return self.folder / "answered"

    @property
    def epsilon(self) -> Path:
        """epsilon.jsonl: what was spent of the patients' privacy, over all studies; `leave` leaves it."""
        return self.folder / "epsilon.jsonl"

    @property
    def noise_key(self) -> Path:
        """The secret that noise for privacy is drawn from. Never leaves the site."""
        return self.folder / "noise.key"

    @property
    def ledger(self) -> Path:
        """What this site sent masked, and whose sum it helped to open."""
        return self.masks / "ledger.jsonl"

    @property
    def masks(self) -> Path:
        """Keys and ledger of masked sums; `leave` takes them away."""
        return self.folder / "masks"

    @property
    def state(self) -> Path:
        """state.json: what `status` shows."""
        return self.folder / "state.json"

    @property
    def connection(self) -> Path:
        """connection.json: how the connection to the coordinator stands, written by the SuperNode."""
        return self.folder / "connection.json"

    @property
    def complaints(self) -> Path:
        """complaints.jsonl: why the site takes no part, or not with all it has; begun anew with each connection."""
        return self.folder / "complaints.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the `join` that runs: a process id alone may be another program's after a crash."""
        return self.folder / "join.lock"

    @property
    def approved(self) -> Path:
        """approved.json: the code that this site runs, by its digest."""
        return self.folder / "approved.json"

    @property
    def refused(self) -> Path:
        """refused.json: the code that a coordinator sent last and that is not approved."""
        return self.folder / "refused.json"

    @property
    def approved_roster(self) -> Path:
        """approved-roster.json: the sites and keys of the study, as this site approved them."""
        return self.folder / "approved-roster.json"

    @property
    def programs(self) -> Path:
        """What Flower finds first when it starts a program for a task."""
        return self.folder / "bin"

    @property
    def flower(self) -> Path:
        """Flower's own folder."""
        return self.folder / "flower"
