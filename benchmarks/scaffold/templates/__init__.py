"""The files that a new plugin begins with: working code in which 'template' stands for the id."""
