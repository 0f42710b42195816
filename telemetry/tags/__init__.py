"""Tag lists as tables: a profile's tags go to a spreadsheet and come back, under the same checks as YAML."""
