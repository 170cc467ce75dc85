"""Programs and the strategies that draw them. Nothing is imported here: `strategies.program` needs only Python."""
