"""The look that every report shares: page frame, sections, figures, and numbers as text.

It imports matplotlib, which takes a second: a command imports it when it writes a report, and a run never does.
"""
