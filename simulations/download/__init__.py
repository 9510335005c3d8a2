"""A data folder of TCGA from the GDC and cBioPortal."""
