"""Words of several languages and what they stand for, whatever their accents, endings and, within limits, typing."""

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

UNKNOWN = ""
NOT, NONE, MISSING, ASSESSED, DOUBTFUL, GLUE = "not", "none", "missing", "assessed", "doubtful", "glue"
"""Concepts that mean the same in every vocabulary."""
_LONGEST_PHRASE = 5
_SHORTEST_MISTYPED = 6
_LEAST_ALIKE = 0.84
_CLOSE = 0.05
_DOUBTFUL = 0.6
_ENDINGS = ("es", "en", "er", "em", "os", "as", "e", "s", "i", "a", "o", "n")
_SHORTEST_STEM = 5
_UMLAUTS = (("ae", "a"), ("oe", "o"), ("ue", "u"))
_NEGATING = ("nicht", "non", "not", "un", "in", "no")


def folded(text: str) -> str:
    """In small letters, without accents; an umlaut and its spelling with e are the same letter."""
    plain = "".join(part for part in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(part))
    plain = plain.replace("œ", "oe").replace("æ", "ae")
    for spelled, letter in _UMLAUTS:
        plain = plain.replace(spelled, letter)
    return plain


class Meant(NamedTuple):
    """What one word or phrase stands for."""

    text: str
    concept: str
    """UNKNOWN where nothing is near."""
    sureness: float
    """1 for a word of the vocabulary; below for one that is typed like it."""


class Vocabulary:
    """Phrases by what they stand for: concept -> phrases, separated by commas."""

    def __init__(self, terms: Mapping[str, str]) -> None:
        """Of words in any of the languages.

        Raises:
            ValueError: a phrase stands for two things.
        """
        self.concept_of: dict[str, str] = {}
        for concept, phrases in terms.items():
            for phrase in phrases.split(","):
                key = " ".join(words_of(phrase))
                if self.concept_of.setdefault(key, concept) != concept:
                    raise ValueError(f"{key!r} stands for {self.concept_of[key]} and for {concept}")
        self._single = [key for key in self.concept_of if len(key) >= _SHORTEST_MISTYPED and " " not in key]
        self._meant = lru_cache(maxsize=4096)(self._look_up)

    def meant(self, words: Sequence[str]) -> list[Meant]:
        """What each longest known phrase of the folded words stands for, in their order."""
        found, at = [], 0
        while at < len(words):
            lengths = range(min(_LONGEST_PHRASE, len(words) - at), 1, -1)
            phrase = next((n for n in lengths if " ".join(words[at : at + n]) in self.concept_of), 0)
            if phrase:
                text = " ".join(words[at : at + phrase])
                found.append(Meant(text, self.concept_of[text], 1.0))
            else:
                found += self._meant(words[at])
            at += phrase or 1
        return found

    def _look_up(self, word: str) -> list[Meant]:
        known = self._known(word)
        if known:
            return [Meant(word, known, 1.0)]
        for prefix in _NEGATING:  # "nichtamplifiziert"
            rest = self._known(word.removeprefix(prefix)) if word.startswith(prefix) else ""
            if rest:
                return [Meant(prefix, NOT, 1.0), Meant(word.removeprefix(prefix), rest, 1.0)]
        return [self._nearest(word)]

    def _known(self, word: str) -> str:
        """The concept of the word, or of the word without an ending; empty if there is none."""
        if word in self.concept_of:
            return self.concept_of[word]
        stems = [word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending)]
        return next(
            (self.concept_of[stem] for stem in stems if len(stem) >= _SHORTEST_STEM and stem in self.concept_of), ""
        )

    def _nearest(self, word: str) -> Meant:
        """The known word that is typed most like it; of two meanings that are about as near, neither is sure."""
        if len(word) < _SHORTEST_MISTYPED:
            return Meant(word, UNKNOWN, 1.0)
        near = difflib.get_close_matches(word, self._single, n=8, cutoff=_LEAST_ALIKE)
        if not near:
            return Meant(word, UNKNOWN, 1.0)
        alike = {key: difflib.SequenceMatcher(None, key, word).ratio() for key in near}
        best = max(alike, key=lambda key: alike[key])
        concept = self.concept_of[best]
        rivals = [ratio for key, ratio in alike.items() if self.concept_of[key] != concept]
        is_clear = not rivals or alike[best] - max(rivals) >= _CLOSE
        return Meant(word, concept, alike[best] if is_clear else _DOUBTFUL)


def words_of(text: str) -> list[str]:
    """The words and numbers of a text, folded; HER2 is one word, however it is written."""
    plain = re.sub(r"c?-?erb-?b-?2|her-? ?2(?: ?/? ?neu)?", "hertwo", folded(text))
    return re.findall(r"[a-z]+|\d+(?:[.,]\d+)?", plain)


# What every kind of table may say, in English, German, French, Spanish and Italian.
GENERAL: Mapping[str, str] = {
    NOT: "not, non, no, nicht, ohne, sans, pas, pas de, pas d, sin, senza, without, absence, absence de, "
    "absence d, ausencia, ausencia de, assenza, assenza di, lack of, fehlende, absent of, never, ne",
    NONE: "none, kein, keine, keinen, keiner, keinerlei, aucun, aucune, ninguno, ninguna, ningun, nessuno, "
    "nessuna, nessun, null",
    MISSING: "missing, unknown, unk, ukn, unbekannt, unbek, inconnu, inconnue, desconocido, desconocida, "
    "se desconoce, sconosciuto, sconosciuta, ignoto, ignota, ignorado, k a, ka, keine angabe, keine angaben, "
    "ohne angabe, o a, n b, nb, n d, nd, n a, na, n r, nr, n c, nc, s d, ns, np, n v, non renseigne, manquant, "
    "manquante, donnee manquante, donnees manquantes, sin datos, sin dato, no consta, dato mancante, mancante, "
    "dati mancanti, fehlt, fehlend, insufficient, insuffisant, insuficiente, insufficiente, unzureichend, "
    "nicht ausreichend, kein material, no data, keine daten, entfallt, no procede, sans objet, non applicable, "
    "not applicable, unspecified, unreported, not done, no informado, no informada",
    ASSESSED: "done, tested, performed, recorded, known, available, evaluable, evaluated, assessed, assessable, "
    "determined, reported, specified, documented, stated, examined, given, interpretable, durchgefuhrt, bestimmt, "
    "bestimmbar, getestet, untersucht, bekannt, verfugbar, beurteilbar, bewertbar, auswertbar, erhoben, "
    "dokumentiert, angegeben, anwendbar, zutreffend, gemacht, erfolgt, fait, faite, realise, realisee, renseignee, "
    "renseigne, precise, precisee, connu, connue, disponible, evaluee, evalue, determinee, determine, rapporte, "
    "documente, teste, testee, effectue, realizado, realizada, hecho, valorable, valorado, evaluado, evaluada, "
    "determinado, determinada, registrado, conocido, estudiado, especificado, informado, datos, dato, eseguito, "
    "eseguita, noto, nota, disponibile, valutabile, valutato, valutata, determinato, determinata, riportato, "
    "specificato, effettuato, pervenuto, conosciuto, dati, data, angabe, angaben, information",
    "positive": "positive, pos, positiv, positif, positifs, positives, positivo, positiva, positivos, positivas, "
    "positivi, positivita, positivity, positivitat, positivite, positividad, yes, ja, oui, present",
    "negative": "negative, neg, negativ, negatif, negatifs, negatives, negativo, negativa, negativos, negativas, "
    "negativi, negativita, negativity, negativitat, negativite, absent, absente, ausente, ausentes, assente, "
    "assenti, nein",
    DOUBTFUL: "probably, likely, suspected, suspicion, suspicious, possible, possibly, clearly, definitely, "
    "certain, verdacht, v a, va, sicher, eindeutig, wahrscheinlich, vermutlich, moglich, wohl, suspect, "
    "suspicion de, probable, probablement, clairement, certainement, sospecha, claramente, probablemente, "
    "sospetto, probabile, probabilmente, chiaramente, vs, versus, oder, or, ou",
    GLUE: "the, of, by, per, with, and, in, on, at, to, is, for, der, die, das, des, dem, den, von, vom, mit, und, "
    "im, bei, laut, de, du, d, la, le, les, l, et, par, avec, au, aux, en, el, los, las, del, con, y, por, al, di, "
    "della, delle, dei, degli, il, lo, gli, e, da, ca, status, statut, estado, stato, result, resultat, resultado, "
    "risultato, ergebnis, befund, value, wert",
}
