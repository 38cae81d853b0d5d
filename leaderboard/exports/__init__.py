"""Tables for other programs: BibTeX, HTML and Every Eval Ever."""
