"""A site's own folder for what is not data: `.tessera` in the site folder, with its key, logs and state."""

from dataclasses import dataclass
from pathlib import Path

from modalities.core.files.place import Place


@dataclass(frozen=True)
class Home:
    """Where a site keeps what it needs to take part."""

    site: Path
    """The site folder."""

    @property
    def folder(self) -> Path:
        """Everything below is made by Tessera."""
        return self.site / ".tessera"

    key = Place("node.key")
    """The node key: who this site is. Never leaves it."""
    public_key = Place("node.pub")
    """Its public half, for the coordinator."""
    log = Place("site.log")
    """What the SuperNode and the training said; it may name cases, so it stays here."""
    audit = Place("audit.jsonl")
    """audit.jsonl: every message that came and every reply that left; kept when the site leaves."""
    audit_tree = Place("audit.tree")
    """The Merkle tree of audit.jsonl, made again from it where it is missing."""
    audit_torn = Place("audit.torn")
    """Lines of audit.jsonl that a crash broke off."""
    receipts = Place("receipts.jsonl")
    """receipts.jsonl: the heads of this site's audit log that the coordinator countersigned."""
    witnessed = Place("witnessed.jsonl")
    """witnessed.jsonl: the same of other sites' logs, kept so that they can be held against them."""
    prepared = Place("prepared")
    """The site's data as tensors, ready for training; `leave` takes it away."""
    alone = Place("alone")
    """The model that the site trains on its own cases alone, for comparison; `leave` takes it away."""
    answered = Place("answered")
    """What the site trained, a file a study: what `policy.max_rounds` is held against; `leave` takes it away."""
    rolls = Place("rolls")
    """The cases, classes and folds that a study began with here, a file a study; `leave` takes it away."""
    epsilon = Place("epsilon.jsonl")
    """epsilon.jsonl: what was spent of the patients' privacy, over all studies; `leave` leaves it."""
    noise_key = Place("noise.key")
    """The secret that noise for privacy is drawn from. Never leaves the site."""
    ledger = Place("masks", "ledger.jsonl")
    """What this site sent masked, and whose sum it helped to open."""
    masks = Place("masks")
    """Keys and ledger of masked sums; `leave` takes them away."""
    state = Place("state.json")
    """state.json: what `status` shows."""
    connection = Place("connection.json")
    """connection.json: how the connection to the coordinator stands, written by the SuperNode."""
    compared = Place("compared.json")
    """compared.json: where this site lies far from the others of its study; told to nobody else."""
    check_page = Place("check.html")
    """check.html: the page of the last `check --html`; it names cases, so it stays here."""
    complaints = Place("complaints.jsonl")
    """complaints.jsonl: why the site takes no part, or not with all it has; begun anew with each connection."""
    lock = Place("join.lock")
    """Held by the `join` that runs: a process id alone may be another program's after a crash."""
    approved = Place("approved.json")
    """approved.json: the code that this site runs, by its digest."""
    refused = Place("refused.json")
    """refused.json: the code that a coordinator sent last and that is not approved."""
    approved_roster = Place("approved-roster.json")
    """approved-roster.json: the sites and keys of the study, as this site approved them."""
    erasing = Place("erasing.json")
    """erasing.json: what an erasure that is under way takes away."""
    programs = Place("bin")
    """What Flower finds first when it starts a program for a task."""
    flower = Place("flower")
    """Flower's own folder."""
