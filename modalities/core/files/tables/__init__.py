"""Tables as programs export them: delimiters, encodings, decimals and spreadsheets, read as rows of text."""
