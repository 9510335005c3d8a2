"""The messages of the evaluation phase, in the order in which they are sent.

1. `query.local`, to sites that train, until all are done: `config.study` says for how many `seconds` to go on with the
   site's own model at most; the reply says whether it is `done`, in `config.study`. Left out with `evaluation.local:
   false`. A site that shares nothing is done at once.
2. `query.scoring`: the final model, as `arrays.<modality>` (branches without fold copies) and `arrays.fusion.<owner>`,
   with `head`, `temperature` and, under masks, `agreed` in `config.study`. The site scores its cases with it, and with
   its own model, and keeps the probabilities; the reply is empty.
3. `query.evaluable`, under masks only: `arrays.study` holds `<cases>.<model>.<set>.cases`, cases by class.
4. `query.evaluation`: goes out with the sums of these in `arrays.study`, under masks; comes back with the tallies and
   gains of all cases, models and SETs in `arrays.study` (see `answers.tallied`). Without masks a site answers so under
   `policy.evaluation: full` alone. A site that shares nothing, or nothing of this, sends zeros: under masks nobody
   sees which.
5. `query.own_evaluation`, never masked: `config.study` says what the site's policy lets out (`evaluation`: `sums`,
   `full` or `none`); with `full`, `arrays.study` holds its own AUROCs and gains (see `own.own_of`), else there is none.

3 to 5 have `agreed` in `config.study` under masks: the site refuses if its digests of what came with `query.scoring`
differ from those. A site that has not scored in this run answers that it lacks what it was sent (NO_SETTINGS).
"""

LOCAL_TRAINING, SCORING = "query.local", "query.scoring"
EVALUABLE, EVALUATION, OWN_EVALUATION = "query.evaluable", "query.evaluation", "query.own_evaluation"
SECONDS, DONE, SHARES = "seconds", "done", "evaluation"
FULL = "full"
POLICIES = ("sums", FULL, "none")
"""What a site's `policy.evaluation` may be."""
TAKES_PART, EVALUATES = "takes-part", "evaluate"
"""In `config.study` of the answer to `query.capabilities`, from a site that only evaluates: it announces, with 0 cases,
the modalities that it has of the study's."""
