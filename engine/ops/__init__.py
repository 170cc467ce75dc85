"""The operations, one file a family; importing a file registers its records."""
