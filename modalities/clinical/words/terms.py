"""The clinical vocabulary: what breast-cancer reports say in English, German, French, Spanish and Italian.

Concept -> its words, accents and umlauts either way; endings of gender and number are taken off by the look-up.
"""

from collections.abc import Mapping

RECEPTORS: Mapping[str, str] = {
    "expressed": "amplified, amplification, overexpressed, overexpression, over expressed, over expression, "
    "expressed, expression, detected, detectable, amplifiziert, amplifikation, genamplifikation, uberexprimiert, "
    "uberexpression, exprimiert, nachweisbar, nachgewiesen, nachweis, amplifie, amplifiee, surexprime, "
    "surexpression, exprime, amplificado, amplificada, amplificacion, sobreexpresado, sobreexpresion, "
    "sobre expresion, expresa, expresion, sobreexpresa, amplificato, amplificata, amplificazione, iperespresso, "
    "iperespressa, iperespressione, sovraespresso, sovraespressione, espresso, espressione, expressing, exprimant",
    "present": "presente, vorhanden, existente, observee, hallada",
    "equivocal": "equivocal, equivoque, equivoco, equivoca, borderline, fraglich, zweifelhaft, grenzwertig, "
    "douteux, douteuse, dudoso, dudosa, dubbio, dubbia, ambiguous, limite",
    "unclear": "unclear, uncertain, unklar, unsicher, incertain, incierto, incerto",
    "indeterminate": "indeterminate, inconclusive, indetermine, indeterminee, indeterminado, indeterminada, "
    "indeterminato, indeterminata, unbestimmt, inconcluso, inconcluyente, non concluant, non conclusivo, "
    "nicht konklusiv",
    "er": "er, re, oestrogen receptor, estrogen, estrogens, ostrogen, ostrogenrezeptor, ostrogenrezeptoren, "
    "estrogene, estrogenes, ostrogenes, estrogeno, estrogenos, estrogenici, estrogenico, ore",
    "pr": "pr, rp, pgr, progesteron, progesterone, progesteronrezeptor, progesteronrezeptoren, progesterona, "
    "progestinici, progestinico, progestatif",
    "her2": "hertwo, cerbb, neu",
    "receptor": "receptor, receptors, rezeptor, rezeptoren, recepteur, recepteurs, receptores, recettore, "
    "recettori, hormone, hormonaux, hormonales, ormonali, hormonrezeptor, tinción, coloration, farbung, staining, "
    "marquage",
    "ihc": "ihc, ihk, iqi, iqq, immunohistochemistry, immunhistochemie, immunhistochemisch, immunohistochimie, "
    "inmunohistoquimica, immunoistochimica, dako, herceptest, ventana",
    "ish": "ish, fish, cish, sish, dish, in situ hybridisation, in situ hybridization, hybridisation, hibridacion",
    "scoring": "score, scoring, punteggio, puntuacion, irs, allred, remmele, quickscore, hscore, skor",
    "ratio": "ratio, quotient, rapport, cociente, rapporto, signal, cep",
    "intensity": "strong, strongly, weak, weakly, intense, intensely, diffuse, focal, focally, stark, schwach, "
    "deutlich, kraftig, fokal, diffus, fort, forte, fortement, faible, faiblement, intensement, fuerte, "
    "fuertemente, intensamente, debil, debilmente, fortemente, debole, debolmente, intensa, leicht",
}
NUMBERS: Mapping[str, str] = {
    "percent": "percent, prozent, pour cent, por ciento, per cento, pct, percentage, pourcentage, porcentaje, "
    "percentuale, prozentsatz, anteil",
    "years": "years, year, yrs, yr, jahre, jahr, jahren, j, ans, an, anos, ano, anni, anno, old, alt, lebensjahr",
    "about": "approx, approximately, about, around, circa, zirka, etwa, ungefahr, rund, environ, env, aprox, "
    "aproximadamente, alrededor, cerca, all incirca",
    "above": "above, over, more than, uber, mehr als, plus de, mas de, superior a, superieur a, piu di, oltre, "
    "superiore a",
    "below": "below, under, less than, unter, weniger als, moins de, menos de, inferior a, inferieur a, meno di, "
    "inferiore a",
    "cells": "cell, cells, nuclei, nucleus, zelle, zellen, zellkern, zellkerne, zellkernen, kerne, tumorzelle, "
    "tumorzellen, cellule, cellules, noyaux, celulas, nucleos, cellula, tumorales, tumorali, tumoral, tumorale, "
    "tumoraux",
    "low": "low, niedrig, gering, bas, basse, bajo, baja, basso, bassa",
    "high": "high, hoch, eleve, elevee, haut, alto, alta, elevado, elevata, elevato",
}
STAGING: Mapping[str, str] = {
    "stage": "stage, staging, stadium, stad, stadien, tumorstadium, stade, estadio, estadiaje, stadio, "
    "stadiazione, uicc, ajcc, figo, anatomic, anatomical, pathologic, pathological, pathologisch, pathologique, "
    "patologico, patologica, klinisch, clinical, clinique, clinico, prognostic, prognostisch, tnm, group, gruppe, "
    "groupe",
    "grade": "grade, grad, grado, grading, differenzierungsgrad, tumorgrad, g, sbr, msbr, ee, nottingham, elston, "
    "ellis, bloom, richardson, scarff, nhg",
    "histologic": "histologic, histological, histologisch, histologique, histologico, histology, kernpleomorphie",
    "differentiated": "differentiated, differentiation, diff, differenziert, differenzierung, differencie, "
    "differenciee, differenciation, diferenciado, diferenciada, differenziato, differenziata",
    "well": "well, gut, bien, ben, hoch differenziert",
    "moderate": "moderate, moderately, mod, massig, mittel, mittelgradig, massiggradig, intermediate, intermediar, "
    "moyen, moyenne, moyennement, moderement, modere, moderadamente, moderado, intermedio, medianamente, "
    "moderatamente, moderato, mediamente, intermediaire",
    "poor": "poor, poorly, schlecht, wenig, peu, mal, poco, pobremente, scarsamente, faiblement differencie, "
    "niedrig differenziert, gering differenziert",
    "undifferentiated": "undifferentiated, undifferenziert, entdifferenziert, anaplastic, anaplastisch, "
    "indifferencie, indiferenciado, indifferenziato",
    "low grade": "low grade, niedriggradig, bas grade, bajo grado, basso grado",
    "high grade": "high grade, hochgradig, haut grade, alto grado",
    "node": "node, nodes, nodal, lymph, lymphknoten, lk, nodalstatus, ganglion, ganglions, ganglionnaire, ganglio, "
    "ganglios, ganglionar, linfonodo, linfonodi, linfonodale, axillary, axillar, axillaire, axilares, ascellari, "
    "sentinel, sentinelle, centinela, sentinella",
    "node negative": "nodalnegativ, nodenegative",
    "metastasis": "metastasis, metastases, metastatic, metastase, metastasen, metastasi, metastasiert, "
    "metastasierung, fernmetastase, fernmetastasen, fernmetastasierung, metastatique, metastasico, metastatico, "
    "mets",
    "distant": "distant, distance, a distance, a distancia, distancia, distanza, a distanza, entfernt",
    "staging note": "sn, mi, dcis, cdis, itc",
}
MENOPAUSE: Mapping[str, str] = {
    "pre": "pre, pra, prem, premenopausal, pramenopausal, pramenop, premenop, premenopausee, premenopause, "
    "premenopausique, premenopausica, premenopausia, premenopausa, premenopausale, pramenopause, premenopausic",
    "before": "vor, before, avant, antes, prima",
    "peri": "peri, perimenopausal, perimenop, perimenopause, perimenopausee, perimenopausica, perimenopausia, "
    "perimenopausa, perimenopausale, klimakterium",
    "after": "after, apres, despues, dopo, nach",
    "post": "post, postmenopausal, postmenop, postmenopause, postmenopausee, postmenopausique, postmenopausica, "
    "postmenopausia, postmenopausa, postmenopausale, menopausee, menopausica, menopausada, in menopausa, "
    "en menopausia, menopausata, nach der menopause, in der menopause",
    "menopause": "menopause, menopausal, meno, menop, menopausia, menopausa, menopausale, menopausenstatus, "
    "menopausique, wechseljahre",
    "woman": "woman, female, frau, patientin, femme, patiente, mujer, paciente, donna, paziente, weiblich",
}
HISTOLOGY: Mapping[str, str] = {
    "ductal": "ductal, duktal, duct, canalaire, duttale, duttal, idc, cdi, cci, nst, ndt, canalicular, milchgang, "
    "duktale, tns, nsp",
    "special": "special type, specific type, speziellen typ, speziellen typs, spezieller typ, spezifischer typ, "
    "spezifischen typ, spezifischen typs, besonderen typ, besonderen typs, type specifique, type special, "
    "tipo especial, tipo especifico, tipo speciale, tipo specifico, type particulier, de type specifique",
    "unspecific": "type non specifique, type non special, tipo no especial, tipo no especifico, tipo non speciale, "
    "tipo non specifico, nicht spezieller typ, nicht speziellen typs",
    "lobular": "lobular, lobulare, lobulaire, lobulillar, lobulilar, lobullar, ilc, cli, ilk",
    "mixed": "mixed, mixte, mixto, mixta, misto, mista, gemischt, mischtyp, gemischtes",
    "mucinous": "mucinous, muzinos, mucineux, mucineuse, mucinoso, mucinosa, colloid, colloide, coloide, kolloid, "
    "gallertkarzinom, schleimbildend, gallertig, mucosecretant",
    "medullary": "medullary, medullar, medullare, medullaire, medular, midollare, medullares",
    "metaplastic": "metaplastic, metaplastisch, metaplasique, metaplastique, metaplasico, metaplastico",
    "other type": "other, others, sonstige, sonstiges, andere, anderes, autre, autres, otro, otra, otros, altro, "
    "altra, altri, tubular, tubulare, tubuleux, tubulaire, papillar, papillary, papillaire, papilar, papillare, "
    "mikropapillar, micropapillary, micropapillaire, micropapilar, kribriform, cribriform, cribriforme, apokrin, "
    "apocrine, apocrino, inflammatory, inflammatorisch, inflammatoire, inflamatorio, infiammatorio, neuroendokrin, "
    "neuroendocrine, neuroendocrino, adenoid zystisch, adenoid cystic, sekretorisch, secretory, secretante, "
    "phylloid, phyllodes, filodes, paget, phyllode, adenoide kystique, adenoide quistico",
    "in situ": "in situ, dcis, cdis, lcis, clis, intraduktal, intraductal, intraduttale, praeinvasiv",
    "invasive": "invasive, invasiv, infiltrating, infiltrant, infiltrante, infiltrierend, invasif, invasivo, "
    "invasiva, inv, infiltrativ, infiltratif",
    "carcinoma": "carcinoma, karzinom, carcinome, mammakarzinom, brustkrebs, breast, mamma, sein, mama, mammella, "
    "mammario, mammaire, adenocarcinoma, adenokarzinom, adenocarcinome, typ, type, tipo, cancer, tumor, tumour, "
    "tumeur, tumore, subtype, form, krebs",
}
COLUMNS: Mapping[str, str] = {
    "age": "age, alter, edad, eta, erkrankungsalter, diagnosealter",
    "at diagnosis": "diagnosis, diagnose, diagnostic, diagnostico, diagnosi, erstdiagnose, ed, at diagnosis, dx",
    "ki67": "ki, mib, kisixtyseven, proliferation, proliferationsindex, proliferazione",
    "index": "index, indice, label, labelling",
    "tumour": "tumor, tumour, tumore, tumeur, carcinoma, breast, primary",
    "t": "t, pt, ypt, t stage, pt stage, pt kategorie, t kategorie, tumor stage t",
    "n": "n, pn, ypn, n kategorie, pn kategorie",
    "m": "m, pm, cm, m kategorie, pm kategorie",
    "histology": "histology, histologie, histologia, istologia, istotipo, histological type, histologic type, "
    "histologischer typ, histologischer tumortyp, histotyp, type histologique, tipo histologico, tipo istologico, "
    "histotype, morphology, morphologie, morfologia, tumortyp, tumor type, icdo morphologie, icd o",
    "positive node": "befallen, befallene, involved, envahi, envahis, metastatiques, invadidos, afectos, "
    "afectados, metastatici, tumorbefallen, affected, atteints",
    "examined node": "untersucht, untersuchte, entfernt, entfernte, examined, removed, retrieved, harvested, "
    "tested, examines, preleves, analyses, extirpados, aislados, examinados, analizados, esaminati, asportati, "
    "rimossi, total, gesamt",
    "count": "number, anzahl, zahl, nombre, nb, numero, count, num, no, nr, no of, nbre",
    "patient": "patient, patienten, pat, paciente, paziente, patientid, patientenid, case, fall, cas, caso, "
    "fallnummer, patientennummer, mrn, nhc, ipp, pseudonym, pseudonyme, seudonimo, pseudonimo, subject, record, "
    "studien id",
    "id": "id, identifier, identifiant, identificador, identificativo, code, codigo, codice, kennung, nummer, "
    "number id, n",
    "birth": "date of birth, birth date, dob, geburtsdatum, geb datum, date de naissance, ddn, "
    "fecha de nacimiento, fecha nacimiento, data di nascita, data nascita",
    "diagnosis date": "date of diagnosis, diagnosis date, diagnosedatum, datum der diagnose, erstdiagnosedatum, "
    "date de diagnostic, date du diagnostic, fecha de diagnostico, fecha diagnostico, data di diagnosi, "
    "data diagnosi, data della diagnosi",
}
