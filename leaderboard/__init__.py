"""Records of measured cells, rows and systems of the literature, and the tables made from them."""
