"""Records of measured cells, published rows, cards of the systems they are of, and the tables made of all."""
