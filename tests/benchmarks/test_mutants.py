"""Where faults are put, and that each is what it says: on a rule of one line."""

import ast

from benchmarks.mutants.faults import REPOSITORY, changed, functions_by_line, named_mutants
from benchmarks.mutants.tests import nearest

KRUM = REPOSITORY / "strategies" / "rules" / "krum.py"


def test_every_number_and_sign_of_a_formula_becomes_another_one_at_a_time():
    text = KRUM.read_text(encoding="utf-8")
    mutants = dict(named_mutants(KRUM))
    assert {(name.function, name.kind) for name in mutants} == {("Rule.needs", "sign"), ("Rule.needs", "number")}
    made = {changed(text, mutant).split("return ")[1].split(",")[0] for mutant in mutants.values()}
    assert made == {"3 * n_hostile + 3", "2 / n_hostile + 3", "2 * n_hostile - 3", "2 * n_hostile + 4"}
    for mutant in mutants.values():
        assert ast.parse(changed(text, mutant))
        assert changed(text, mutant).count("\n") == text.count("\n")


def test_names_of_mutants_tell_them_apart():
    file = REPOSITORY / "strategies" / "evaluation" / "ece.py"
    names = [name for name, _ in named_mutants(file)]
    assert len(names) == len(set(names)) > 20


def test_a_line_belongs_to_the_innermost_function_and_a_default_to_none():
    lines = KRUM.read_text(encoding="utf-8").splitlines()
    place = {line.strip(): number for number, line in enumerate(lines, start=1)}
    functions = functions_by_line(KRUM)
    assert functions[place["n_hostile = self.settings.n_hostile"]] == "Rule.needs"
    assert place["class Rule(StockCentre):"] not in functions
    assert place["def needs(self) -> tuple[int, str]:"] not in functions


def test_the_test_file_of_the_same_name_comes_first_then_its_neighbours():
    mirrors, neighbours = nearest("strategies/evaluation/ece.py")
    assert mirrors[0] == "tests/strategies/evaluation/test_ece.py"
    assert "tests/strategies/evaluation/test_delong.py" in neighbours


def test_code_without_tests_beside_it_is_shown_to_its_users():
    assert not (REPOSITORY / "tests" / "client" / "check" / "page").exists()
    assert nearest("client/check/page/write.py") == [["tests/client/check/test_page.py"]]
