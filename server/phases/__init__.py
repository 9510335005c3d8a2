"""The phases of a study, and who takes part in each."""
