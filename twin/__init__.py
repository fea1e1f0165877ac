"""The live model of the district, and the API that shows it."""
