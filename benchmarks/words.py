"""How many values of the test vocabulary `tessera-client map` proposes rightly: python -m benchmarks.words."""

from collections import Counter

from tests.client.use.words.test_vocabulary import SURE, columns, outcomes


def main() -> None:
    """Print the counts of each language, and what is not proposed for sure."""
    counts = Counter((language, how) for language, has_meaning, how, _ in outcomes() if has_meaning)
    for language in sorted({language for language, _ in counts}):
        said = ", ".join(f"{counts[language, how]} {how}" for how in ("right", "unsure", "wrong"))
        print(f"{language}: {said}")
    n_values, n_right = sum(counts.values()), sum(n for (_, how), n in counts.items() if how == "right")
    without = [how for _, has_meaning, how, _ in outcomes() if not has_meaning]
    print(f"{n_right} of {n_values} values right at {SURE:.0%} ({n_right / n_values:.1%})")
    print(f"{without.count('right')} of {len(without)} values without a meaning are not proposed")
    print(f"{sum(how == 'right' for how, _ in columns())} of {len(columns())} names of columns right")
    print("unsure:", "; ".join(written for *_, how, written in outcomes() if how == "unsure"))


if __name__ == "__main__":
    main()
