"""How large a program may be. What only shows when it runs is limited by the process that runs it."""

MAX_TEXT = 100_000  # characters of a program
MAX_LINE = 4_000  # characters of a line, which is a whole statement
MAX_STATEMENTS = 1_000  # those in blocks included
MAX_STEPS = 10_000  # statements executed, loops counted out
MAX_BLOCKS = 4  # blocks inside each other
MAX_NESTING = 24  # expressions inside each other
MAX_ITEMS = 1_024  # elements of the lists and tuples of a statement
MAX_TARGETS = 16  # names that a tuple is assigned to
MAX_LOOP = 16  # rounds of a loop
MAX_MADE = 3  # functions that are made of functions in a statement
MAX_INTEGER = 2**64 - 1  # magnitude of an integer literal
MAX_EXPONENT = 1_024  # magnitude of an integer literal behind ** << >>
MAX_ELEMENTS = 2**20  # elements of a tensor whose size is written as literals
