"""Building blocks of plug-ins: tables, ragged batches, networks."""
