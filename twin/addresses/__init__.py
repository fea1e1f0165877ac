"""The unified address service of a district."""
