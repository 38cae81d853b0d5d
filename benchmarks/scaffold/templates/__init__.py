"""Templates of new plugins: working code with 'template' in place of the id."""
