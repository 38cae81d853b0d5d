"""Units of work: parts of a plan that any process can do, the claims on them, and the file that holds a plan."""
