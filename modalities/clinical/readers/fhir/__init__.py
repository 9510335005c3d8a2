"""FHIR bulk exports: resources as lines of JSON, as mCODE profiles them.

Source: http://hl7.org/fhir/us/mcode; https://hl7.org/fhir/uv/bulkdata.
"""
