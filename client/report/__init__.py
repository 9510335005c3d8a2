"""`tessera-client report`: how good the study's model is at this site, which nobody else gets to see."""
