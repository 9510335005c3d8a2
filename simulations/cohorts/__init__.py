"""The cases of an experiment, where they come from, and the folds they are split into."""
