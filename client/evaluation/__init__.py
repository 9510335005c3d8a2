"""The evaluation phase at a site: its own model beside the study's, both scored on its cases; what leaves of that."""
