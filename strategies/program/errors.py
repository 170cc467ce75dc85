"""The one error of the language."""


class ProgramError(ValueError):
    """A text that is not a program: what was found, where (line and column count from 1), and what is allowed there."""

    def __init__(self, message: str, line: int, column: int, allowed: str = ""):
        super().__init__(message, line, column, allowed)
        self.message = message
        self.line = line
        self.column = column
        self.allowed = allowed

    def __str__(self) -> str:
        hint = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"line {self.line}, column {self.column}: {self.message}{hint}"
