"""REDCap exports, as codes or as labels, read through the project's data dictionary.

Source: https://project-redcap.org (Data Dictionary; Data Exports, Reports and Stats).
"""
