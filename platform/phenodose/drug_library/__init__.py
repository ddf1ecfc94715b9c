"""What is known of drugs, whoever screens them: their names, classes, targets and concentrations in patients' plasma.

Belongs here: the library that ships (`drug_library.csv`), a site's own table over it, and finding a drug by any of its
names. Does not belong here: where a site's table lies (`phenodose.screens.drug_files`), what a drug does in a screen.
"""
