"""The static site: pages of suites, tasks, methods, protocols and experiments, as plain HTML files."""
