"""Tessera as a service of the machine: systemd's units from templates, put in place and taken away again."""
