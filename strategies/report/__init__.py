"""The look that every report shares: page frame, sections, figures, and numbers as text.

Its figures import matplotlib, which takes a second: a command does that when it writes a report, and a run never does.
"""
