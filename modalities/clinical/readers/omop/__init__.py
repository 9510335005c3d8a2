"""OMOP CDM exports: person, condition_occurrence, measurement and observation, as CSV or Parquet.

Source: https://ohdsi.github.io/CommonDataModel/cdm54.html
"""
