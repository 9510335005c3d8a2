"""Once a sum is to be opened for some inputs, it is that of the same sites for good."""

from strategies.masked_exchange.survivors import Survivors


def test_the_first_sites_settled_on_stay_also_after_a_restart(tmp_path):
    path = tmp_path / "survivors.jsonl"
    survivors = Survivors(path)
    assert survivors.of("a") == []
    survivors.settle("a", ["north", "west"])
    survivors.settle("a", ["north", "south", "west"])
    survivors.settle("b", ["south"])
    for own in (survivors, Survivors(path)):
        assert (own.of("a"), own.of("b"), own.of("c")) == (["north", "west"], ["south"], [])
    assert len(path.read_text().splitlines()) == 2


def test_without_a_file_they_are_kept_in_memory():
    survivors = Survivors(None)
    survivors.settle("a", ["north"])
    survivors.settle("a", ["south"])
    assert survivors.of("a") == ["north"]
